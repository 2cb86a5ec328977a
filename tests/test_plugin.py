import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.registry import FACTS, load_catalogue
from fixtures.estate import Estate, Metrics, Target
from fixtures.sandbox import Sandbox
from fixtures.sandbox.synthetic_release import write_release
from fixtures.state import ESTATE
from tests.estates import (
    HERE,
    OTHER_ACCOUNT,
    a_bucket,
    a_flow,
    a_forwarder,
    a_legacy_forwarder,
    a_rule,
    a_seen,
    an_arn,
    an_estate,
    an_unreached,
    denied,
)
from tests.replayed import ROOT, Ran, kept, run_suite

pytest_plugins = ["pytester"]

THERE = Target(OTHER_ACCOUNT, "eu-west-1")
ALONE_AND_DISTRIBUTED = pytest.mark.parametrize("how", [[], ["-n2"]], ids=["alone", "n2"])
TARGETS = ROOT / "checks" / "test_target.py"  # beside a user's own file: pytest finds the suite's conftest by it
OWN_TESTS = ROOT / "tests" / "test_verdict.py"
NOTHING = (
    "ERROR: checks: nothing to look at; add --regions=us-east-1 (or --replay=FILE), "
    "or try --sandbox --regions=us-east-1"
)


def a_fleet() -> Estate:
    """Two targets with one forwarder for each status that a check can end in, and a target that was not entered."""
    quiet = a_flow(requests=0, uploads=0, proved=0, last_proved=None)
    here = [
        a_forwarder("alb", policy=denied("lambda:GetPolicy")),
        a_legacy_forwarder("trail"),
        a_forwarder("waf", flow=quiet, metrics=Metrics(None, None, None, None)),
    ]
    return an_estate(
        *here,
        a_forwarder("trail", THERE),
        targets=[a_seen(*here, lookalikes=("tdr-dashboards",)), an_unreached(Target(OTHER_ACCOUNT, "us-east-1"))],
        buckets=[a_bucket("waf-logs", a_rule("waf"), a_rule(arn=an_arn("lambda", "function:gone")))],
    )


class Watch:
    """Notes what the suite asked for before it looked."""

    def __init__(self) -> None:
        self.facts: frozenset[str] | None = None
        self.calls: dict[str, int] = {}
        self.observed = 0

    @pytest.hookimpl(wrapper=True)
    def pytest_forwarders_facts(self) -> Iterator[None]:
        found = yield
        self.facts = found
        return found

    def pytest_forwarders_observed(self, config: pytest.Config) -> None:
        self.observed += 1
        self.calls = dict(config.stash[ESTATE].calls)


@pytest.fixture
def fleet(pytester: pytest.Pytester) -> str:
    return kept(pytester, a_fleet())


def test_every_forwarder_and_target_is_asked_in_a_stable_order_under_its_name(
    pytester: pytest.Pytester, fleet: str
) -> None:
    ran = run_suite(pytester, fleet, "--checks=runtime-custom,target-reached,bucket-stale-rules,forwarders-found")

    assert [nodeid.partition("::")[2] for nodeid in ran.nodeids] == [
        *(f"test_no_rule_points_at_a_function_that_is_gone[{HERE}/{name}-logs]" for name in ("alb", "trail", "waf")),
        f"test_runs_on_a_custom_runtime[{HERE}/alb]",
        f"test_runs_on_a_custom_runtime[{HERE}/trail]",
        f"test_runs_on_a_custom_runtime[{HERE}/waf]",
        f"test_runs_on_a_custom_runtime[{THERE}/trail]",
        f"test_target_is_reached[{HERE}]",
        f"test_target_is_reached[{THERE}]",
        f"test_target_is_reached[{OTHER_ACCOUNT}/us-east-1]",
        "test_some_forwarder_was_found",
    ]


STATUSES = {
    "PASSED": ("runtime-custom", f"{HERE}/alb", "passed"),
    "a finding": ("runtime-custom", f"{HERE}/trail", "failed"),
    "of a bucket": ("bucket-stale-rules", f"{HERE}/waf-logs", "failed"),
    "of a target": ("target-reached", f"{OTHER_ACCOUNT}/us-east-1", "failed"),
    "UNKNOWN": ("trigger-permission", f"{HERE}/alb", "skipped"),
    "NO EVIDENCE": ("logs-flow", f"{HERE}/waf", "skipped"),
    "ADVICE": ("target-lookalikes", str(HERE), "passed"),
}


@ALONE_AND_DISTRIBUTED
def test_statuses_have_pytests_own_outcomes(pytester: pytest.Pytester, fleet: str, how: list[str]) -> None:
    ran = run_suite(pytester, fleet, *how)

    assert ran.code == 1
    assert {name: ran.outcomes[check, subject] for name, (check, subject, _) in STATUSES.items()} == {
        name: outcome for name, (_, _, outcome) in STATUSES.items()
    }
    assert ran.statuses["trigger-permission", f"{HERE}/alb"] == "UNKNOWN"
    assert ran.statuses["logs-flow", f"{HERE}/waf"] == "NO EVIDENCE"
    finding = ran.results["runtime-custom", f"{HERE}/trail"]
    assert (finding.expected, finding.found, finding.fix) == ("provided.al2 or better", "go1.x", "forwarder-stack")
    assert (finding.account, finding.region, finding.forwarder, finding.name) == (
        "111122223333", "us-east-1", "trail", "trail",
    )  # fmt: skip
    bucket = ran.results["bucket-stale-rules", f"{HERE}/waf-logs"]
    assert (bucket.forwarder, bucket.name) == ("", "waf-logs")
    reached = ran.results["target-reached", f"{OTHER_ACCOUNT}/us-east-1"]
    assert (reached.account, reached.region, reached.forwarder, reached.name) == (OTHER_ACCOUNT, "us-east-1", "", "")
    assert ran.results["target-lookalikes", str(HERE)].advice == "not forwarders, left alone: tdr-dashboards"
    assert "Traceback" not in ran.text


def test_workers_say_what_one_process_says_and_ask_aws_nothing(pytester: pytest.Pytester, fleet: str) -> None:
    """AWS_ENDPOINT_URL is a closed port in every test: whoever calls it fails at once."""
    release = write_release(pytester.path / "release")
    assert os.environ["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9"

    options = (fleet, f"--release={release}", "-k", "not cfn_lint")  # which takes a second and has tests of its own
    alone = run_suite(pytester, *options)
    distributed = run_suite(pytester, *options, "-n2")

    assert evidence(alone) == evidence(distributed)
    assert alone.code == distributed.code == 1
    assert len(alone.results) > 100


def evidence(ran: Ran) -> dict[tuple[str, str], dict[str, str]]:
    """Everything that a run says of each subject."""
    return {name: dict(result.properties()) for name, result in ran.results.items()}


@ALONE_AND_DISTRIBUTED
def test_what_could_not_be_asked_is_said_once_and_is_no_row(
    pytester: pytest.Pytester, fleet: str, how: list[str]
) -> None:
    ran = run_suite(pytester, fleet, *how, "-v", "--checks=code-current,release-lint,live-as-declared,stack-healthy,"
                    "baseline-present,shared-stack-region")  # fmt: skip

    assert ran.checks == {"stack-healthy", "live-as-declared"}
    region = "taegis_region or login_url in the settings"
    said = [line for line in ran.text.splitlines() if line.startswith("not asked")]
    assert said == [
        "not asked  no --release given: code-current, release-lint",
        "not asked  nothing here to ask it of (it takes --baseline): baseline-present",
        f"not asked  nothing here to ask it of (it takes {region}): shared-stack-region",
    ]


def test_only_selected_checks_run_and_only_their_facts_are_read(pytester: pytest.Pytester, fleet: str) -> None:
    watch = Watch()

    ran = run_suite(pytester, fleet, "--checks=stack-healthy,trigger-region", plugins=[watch])

    assert ran.checks == {"stack-healthy", "trigger-region"}
    assert watch.facts == frozenset({"stacks", "bucket_region", "policy"})
    assert "deselected" in ran.text


def test_without_a_selection_what_some_check_needs_is_read(pytester: pytest.Pytester, fleet: str) -> None:
    watch = Watch()
    run_suite(pytester, fleet, "--collect-only", plugins=[watch])

    assert watch.facts == {fact for meta in load_catalogue().values() for fact in meta.facts}
    assert FACTS - watch.facts == {"resources", "code_source", "change_sets"}


def test_for_a_plan_everything_is_read(pytester: pytest.Pytester, fleet: str) -> None:
    watch = Watch()
    run_suite(pytester, fleet, "--collect-only", "--plan", plugins=[watch])

    assert watch.facts == FACTS


def test_a_verbose_plan_shows_each_call_with_its_parameters_and_a_plain_one_the_shapes(
    pytester: pytest.Pytester,
) -> None:
    untriggered = an_estate(a_forwarder("trail"), buckets=[a_bucket("trail-logs")])
    options = [kept(pytester, untriggered), "--plan", "--checks=trigger-wired"]
    plain, verbose = run_suite(pytester, *options).text, run_suite(pytester, *options, "-v").text
    for text in (plain, verbose):
        assert "bucket <name>: add 1 rule" in text or "bucket trail-logs: add 1 rule" in text
        assert "calls s3:PutBucketNotificationConfiguration" in text
    assert f"{HERE}, in this order:" in verbose
    assert "        Bucket: trail-logs" in verbose
    assert "+++ the document then" in verbose
    assert "in this order" not in plain
    assert "Bucket: trail-logs" not in plain


@ALONE_AND_DISTRIBUTED
def test_a_typo_in_checks_is_refused_before_anything_is_read(
    pytester: pytest.Pytester, fleet: str, how: list[str]
) -> None:
    watch = Watch()

    ran = run_suite(pytester, fleet, *how, "--checks=stack-helthy", plugins=[watch])

    assert (ran.code, watch.observed) == (4, 0)
    assert "ERROR: --checks: 'stack-helthy': no such check; did you mean stack-healthy?" in ran.text.splitlines()


@ALONE_AND_DISTRIBUTED
def test_checks_without_a_place_to_look_at_name_the_option_and_the_sandbox(
    pytester: pytest.Pytester, how: list[str]
) -> None:
    ran = run_suite(pytester, *how)

    assert ran.code == 4
    assert NOTHING in ran.text.splitlines()
    assert "INTERNALERROR" not in ran.text


def test_the_projects_own_tests_need_nothing(pytester: pytest.Pytester) -> None:
    watch = Watch()

    ran = run_suite(pytester, paths=[OWN_TESTS], plugins=[watch])

    assert (ran.code, watch.observed) == (0, 0)
    assert " passed" in ran.text


PLAIN = """
def test_memory_is_enough(forwarder):
    assert forwarder.listed.memory >= 512

def test_no_more_than_ten(target, estate):
    assert len(target.forwarders) <= 10 and estate.taken

def test_names_are_short(forwarder, target, bucket, desired):
    assert len(forwarder.name) < 5 and target.target == forwarder.target
    assert bucket.name == forwarder.bucket_name
"""
MARKED = """
import pytest

from checks.outcome import Severity
from checks.registry import check


@check("mine-memory", severity=Severity.LOW, step="ours", facts=["listed"])
def test_memory(forwarder):
    \"\"\"A forwarder has a gigabyte.\"\"\"
    assert forwarder.listed.memory >= 1024, f"{forwarder.listed.memory} MiB"


@check("mine-fail", severity=Severity.LOW, step="ours")
def test_fail(estate):
    \"\"\"Something of ours holds.\"\"\"
    pytest.fail("it does not")


@check("mine-skip", severity=Severity.LOW, step="ours")
@pytest.mark.parametrize("number", [1, 2])
def test_skip(estate, number):
    \"\"\"Something of ours can be told.\"\"\"
    pytest.skip("no idea")


@check("mine-crash", severity=Severity.LOW, step="ours")
def test_crash(target):
    \"\"\"Something of ours does not crash.\"\"\"
    raise ZeroDivisionError("a bug")


@check("mine-release", severity=Severity.LOW, step="ours", needs_release=True)
def test_release(estate):
    \"\"\"Something of ours needs a release.\"\"\"
"""


def elsewhere(pytester: pytest.Pytester, content: str) -> Path:
    """A file of the user's own, in a folder outside the suite."""
    folder = pytester.path / "mine"
    folder.mkdir()
    path = folder / "test_mine.py"
    path.write_text(content, encoding="utf-8")
    return path


@ALONE_AND_DISTRIBUTED
def test_a_users_own_tests_get_the_facts(pytester: pytest.Pytester, fleet: str, how: list[str]) -> None:
    ran = run_suite(pytester, fleet, *how, "--checks=target-reached", paths=[elsewhere(pytester, PLAIN), TARGETS])

    assert ran.code == 1
    assert ran.checks == {"target-reached"}
    own = {nodeid.rpartition("::")[2]: outcome for nodeid, outcome in ran.others.items()}
    assert sorted(name for name, outcome in own.items() if outcome != "passed") == [
        f"test_names_are_short[{HERE}/trail]",
        f"test_names_are_short[{THERE}/trail]",
    ]
    assert len(own) == 4 + 3 + 4


def test_a_users_own_checks_have_every_status(pytester: pytest.Pytester, fleet: str) -> None:
    ran = run_suite(pytester, fleet, paths=[elsewhere(pytester, MARKED), ROOT / "checks" / "test_stack.py"])

    assert ran.code == 3
    memory = ran.results["mine-memory", f"{HERE}/alb"]
    assert (str(memory.status), memory.expected) == ("FAILED", "A forwarder has a gigabyte.")
    assert memory.found.startswith("512 MiB")
    assert ran.statuses["mine-fail", "estate"] == "FAILED"
    assert ran.results["mine-fail", "estate"].found == "it does not"
    assert ran.statuses["mine-skip", "estate"] == "UNKNOWN"
    assert ran.statuses["mine-crash", str(HERE)] == "ERROR"
    assert ran.outcomes["mine-crash", str(HERE)] == "failed"
    assert ran.results["mine-crash", str(HERE)].reason == "the check itself failed: ZeroDivisionError: a bug"
    assert "mine-release" not in ran.checks
    assert "stack-healthy" in ran.checks


def test_a_users_own_check_can_be_selected_and_a_typo_in_it_is_refused(pytester: pytest.Pytester, fleet: str) -> None:
    path = elsewhere(pytester, MARKED)
    watch = Watch()

    ran = run_suite(pytester, fleet, "--checks=mine-memory", paths=[path, TARGETS], plugins=[watch])
    typo = run_suite(pytester, fleet, "--checks=mine-memry", paths=[path, TARGETS])

    assert ran.checks == {"mine-memory"}
    assert watch.facts == FACTS
    assert typo.code == 4
    assert "did you mean mine-memory" in typo.text


def test_two_checks_of_one_name_are_refused(pytester: pytest.Pytester, fleet: str) -> None:
    twin = MARKED.replace("mine-memory", "stack-healthy")

    ran = run_suite(pytester, fleet, paths=[elsewhere(pytester, twin), ROOT / "checks" / "test_stack.py"])

    assert ran.code == 4
    assert "two of them are called 'stack-healthy'" in ran.text


def test_a_users_test_without_a_place_to_look_at_says_what_to_add(pytester: pytest.Pytester) -> None:
    path = elsewhere(pytester, "def test_it(forwarder):\n    assert forwarder\n")

    ran = run_suite(pytester, paths=[path, OWN_TESTS])

    assert ran.code == 1
    assert NOTHING.removeprefix("ERROR: ") in ran.text


def test_pytests_own_selections_work(pytester: pytest.Pytester, fleet: str) -> None:
    by_word = run_suite(pytester, fleet, "-k", "custom_runtime and trail")
    by_mark = run_suite(pytester, fleet, "-m", "not check")
    failed = run_suite(pytester, fleet, "--lf", "--checks=runtime-custom")
    one = run_suite(
        pytester, fleet, paths=[f"{ROOT}/checks/test_runtime.py::test_runs_on_a_custom_runtime[{THERE}/trail]"]
    )

    assert set(by_word.results) == {("runtime-custom", f"{HERE}/trail"), ("runtime-custom", f"{THERE}/trail")}
    assert by_mark.results == {}
    assert by_mark.code == 5
    assert set(failed.results) == {("runtime-custom", f"{HERE}/trail")}
    assert set(one.results) == {("runtime-custom", f"{THERE}/trail")}


def test_a_baseline_is_asked_of_what_was_looked_at(pytester: pytest.Pytester, fleet: str) -> None:
    entries = [(HERE, "alb"), (HERE, "umbrella"), (THERE, "trail"), (Target("999999999999", "us-east-1"), "x")]
    lines = [f'[[forwarder]]\naccount = "{t.account}"\nregion = "{t.region}"\nname = "{name}"\n' for t, name in entries]
    path = pytester.path / "baseline.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    options = (fleet, f"--baseline={path}", "--checks=baseline-present")

    whole = run_suite(pytester, *options)
    some = run_suite(pytester, *options, "--forwarders=a*")

    assert whole.statuses == {
        ("baseline-present", f"{HERE}/alb"): "PASSED",
        ("baseline-present", f"{HERE}/umbrella"): "FAILED",
        ("baseline-present", f"{THERE}/trail"): "PASSED",
    }
    assert whole.results["baseline-present", f"{HERE}/umbrella"].forwarder == "umbrella"
    assert set(some.statuses) == {("baseline-present", f"{HERE}/alb")}


def test_a_replay_says_what_the_run_said_that_kept_it(pytester: pytest.Pytester, at_sandbox: Sandbox) -> None:
    path = pytester.path / "kept.json.gz"
    where = [f"--accounts={','.join(at_sandbox.accounts)}", f"--role={at_sandbox.role_name}", "--regions=us-east-1"]

    live = run_suite(pytester, *where, f"--snapshot={path}")
    replayed = run_suite(pytester, f"--replay={path}")

    assert evidence(live) == evidence(replayed)
    assert live.code == replayed.code == 1
    assert len(live.results) > 100


@pytest.mark.usefixtures("at_sandbox")
def test_a_selection_asks_aws_for_nothing_else(pytester: pytest.Pytester) -> None:
    watch = Watch()

    run_suite(pytester, "--regions=us-east-1", "--checks=runtime-custom", plugins=[watch])

    assert {"DescribeStacks", "ListFunctions"} < {name.rpartition(":")[2] for name in watch.calls}
    assert [name for name in watch.calls if name.endswith(("GetFunction", "GetPolicy", "FilterLogEvents"))] == []
    assert [name for name in watch.calls if "s3" in name or "cloudwatch" in name] == []
