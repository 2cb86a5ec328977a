"""What a user allows is what `--fix` does: which forwarders, which consents, how many, into whose accounts."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from fixtures.sandbox import Sandbox, SandboxSpec, start_sandbox
from tests.suite_runs import (
    Ran,
    Suite,
    at,
    delivered,
    independently,
    log_sources,
    requests_of_the_suite,
    writes_of_the_suite,
)

# A target for each test that writes, so that none sees what another did.
GLOBS, CONSENTS, UNTOUCHED = "111122223333", "222233334444", "333344445555"
EVENTS = GLOBS  # in the other region
PROVED = ("share-alb", "share-flow", "waf-public")  # a fix waits to see that logs flow
REGIONS = ("us-east-1", "eu-west-1")
Regions = Mapping[tuple[str, str], dict]  # type: ignore[type-arg]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    spec = SandboxSpec((GLOBS, CONSENTS, UNTOUCHED), REGIONS)
    with (
        start_sandbox(spec, tmp_path_factory.mktemp("limits")) as running,
        log_sources(running.endpoint, (GLOBS, CONSENTS), first=1_000, only=PROVED, per_second=6),
    ):
        yield running


@pytest.fixture(scope="module")
def suite(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    return Suite(sandbox.environment, tmp_path_factory.mktemp("cache"))


def fix(suite: Suite, sandbox: Sandbox, folder: Path, account: str, *options: str) -> tuple[Ran, Counter[str]]:
    """A `--fix` in one account, and its writes by operation."""
    regions = [] if any(one.startswith("--regions") for one in options) else ["eu-west-1"]
    entering = at(sandbox, accounts=[account], regions=regions or ["eu-west-1"], settings=folder / "forwarders.toml")
    before = Counter(writes_of_the_suite(sandbox.endpoint))
    ran = suite.run(folder / "run", *entering, f"--fix-role={sandbox.fix_role_name}", "--fix", "--yes",
                    "--rings=100%", *options)  # fmt: skip
    ran.assert_no_crash()
    writes = Counter(writes_of_the_suite(sandbox.endpoint)) - before
    assert {one[0] for one in writes} <= {account}
    return ran, Counter({name: count for (_, _, name), count in writes.items()})


def differences(before: Regions, after: Regions, part: str, key: str) -> set[str]:
    """Names in one part of what the reader saw that are not as they were, or new."""
    changed = set()
    for place, seen in after.items():
        old, new = before[place][part], seen[part]
        if isinstance(new, list):
            old, new = ({one[key]: one for one in entries} for entries in (old, new))
        changed |= {name for name in new if new[name] != old.get(name)}
        assert set(old) <= set(new)
    return changed


def test_only_matching_forwarders_and_what_they_share_are_touched(
    suite: Suite, sandbox: Sandbox, tmp_path: Path
) -> None:
    place = {"accounts": [GLOBS], "regions": ["eu-west-1"]}
    before = independently(sandbox, **place)
    ran, _ = fix(suite, sandbox, tmp_path, GLOBS, "--forwarders=share-*", "--allow=create-bucket")
    after = independently(sandbox, **place)

    stacks = differences(before, after, "stack_details", "")
    assert stacks == {"share-alb", "share-flow", "taegis-shared-resources"}
    assert differences(before, after, "functions", "FunctionName") == {
        "share-alb-scwx-tdr-lambda-awsalb",
        "share-flow-scwx-tdr-lambda-awsvpcflowlogs",
    }
    assert differences(before, after, "documents", "") == set(after[GLOBS, "eu-west-1"]["documents"]) - set(
        before[GLOBS, "eu-west-1"]["documents"]
    ), "the artifact bucket is new; no other document is another one"
    assert ran.code == 0, ran.said
    assert {row["forwarder"] for row in ran.results if row["forwarder"]} == {"share-alb", "share-flow"}
    assert {row["status"] for row in ran.results} == {"PASSED", "FIXED", "NO EVIDENCE"}


def test_without_consents_it_is_blocked_with_what_to_allow_and_nothing_is_written(
    suite: Suite, sandbox: Sandbox, tmp_path: Path
) -> None:
    ran, writes = fix(suite, sandbox, tmp_path, UNTOUCHED, "--forwarders=waf-public,alb-edge")
    assert writes == {}
    assert ran.code == 1
    blocked = ran.of("BLOCKED")
    assert {subject.rpartition("/")[2] for check, subject in blocked if check == "code-current"} == {
        "waf-public",
        "alb-edge",
    }
    assert ran.of("FIXED") == {}
    assert [row for row in ran.of("FAILED").values() if row["fix"]] == [], "each says why it was not fixed"
    for (check, _), row in blocked.items():
        assert "--allow=" in row["remedy"] or "--allow=" in row["reason"], check


def test_a_stale_rule_stays_unless_it_may_be_removed(suite: Suite, sandbox: Sandbox, tmp_path: Path) -> None:
    place = {"accounts": [CONSENTS], "regions": ["eu-west-1"]}
    before = independently(sandbox, **place)
    ran, _ = fix(suite, sandbox, tmp_path, CONSENTS, "--forwarders=waf-public", "--allow=create-bucket")
    after = independently(sandbox, **place)

    bucket = f"waf-public-{CONSENTS}-eu-west-1"
    row = ran.of("BLOCKED")["bucket-stale-rules", f"{CONSENTS}/eu-west-1/{bucket}"]
    assert "decommissioned-indexer" in row["reason"]
    assert "--allow=remove-stale-rules" in row["remedy"]
    assert {subject for _, subject in ran.of("BLOCKED", "FAILED")} == {row["subject"]}
    assert after[CONSENTS, "eu-west-1"]["documents"][bucket] == before[CONSENTS, "eu-west-1"]["documents"][bucket]
    assert ("runtime-custom", f"{CONSENTS}/eu-west-1/waf-public") in ran.of("FIXED")
    assert ran.code == 1


def test_a_plan_over_the_limit_is_refused_as_a_whole_with_both_numbers(
    suite: Suite, sandbox: Sandbox, tmp_path: Path
) -> None:
    ran, writes = fix(suite, sandbox, tmp_path, UNTOUCHED, "--forwarders=share-*", "--fix-limit=1",
                      "--allow=create-bucket")  # fmt: skip
    assert writes == {}
    assert ran.code == 1
    assert ran.of("FIXED") == {}
    reasons = {row["reason"] for row in ran.of("BLOCKED").values()}
    assert [reason for reason in reasons if "2 forwarders" in reason and "--fix-limit is 1" in reason] == list(reasons)


def test_a_test_event_goes_once_to_each_fixed_forwarder(suite: Suite, sandbox: Sandbox, tmp_path: Path) -> None:
    ran, writes = fix(
        suite, sandbox, tmp_path, EVENTS, "--regions=us-east-1", "--forwarders=generic-mixed,umbrella-dns",
        "--send-test-event",
    )  # fmt: skip
    assert writes["Invoke"] == 2
    assert ran.code in {0, 1}
    proved = {subject.rpartition("/")[2] for check, subject in ran.of("PASSED", "FIXED") if check == "logs-flow"}
    assert proved == {"generic-mixed", "umbrella-dns"}
    for name in proved:
        prefix = f"deliveries/{name}-{EVENTS}-us-east-1/"
        arrived = [number for key, number in delivered(sandbox).items() if key.startswith(prefix)]
        assert arrived == [1], "the one object that the event names"


def test_several_accounts_without_tenants_are_refused_before_any_call(
    suite: Suite, sandbox: Sandbox, tmp_path: Path
) -> None:
    settings = tmp_path / "own.toml"
    settings.write_text(f'release = "{sandbox.release_dir}"\ntaegis_region = "ctpx"\n', encoding="utf-8")
    before = requests_of_the_suite(sandbox.endpoint)
    ran = suite.run(
        tmp_path / "run", f"--accounts={GLOBS},{CONSENTS}", "--regions=us-east-1", f"--role={sandbox.role_name}",
        f"--settings={settings}", "--fix", "--yes",
    )  # fmt: skip
    assert ran.code == 4
    (error,) = ran.errors
    assert "--fix with 2 accounts" in error
    assert "[tenants.NAME]" in error
    ran.assert_no_crash()
    assert requests_of_the_suite(sandbox.endpoint) == before
    assert not tmp_path.joinpath("run", "forwarder-runs").exists()


def test_a_release_is_never_written_into_an_account_of_no_tenant(
    suite: Suite, sandbox: Sandbox, tmp_path: Path
) -> None:
    settings = tmp_path / "own.toml"
    settings.write_text(
        f'[tenants.theirs]\naccounts = ["{GLOBS}"]\nrelease = "{sandbox.release_dir}"\ntaegis_region = "ctpx"\n',
        encoding="utf-8",
    )
    before = writes_of_the_suite(sandbox.endpoint)
    ran = suite.run(
        tmp_path / "run", f"--accounts={UNTOUCHED}", "--regions=us-east-1", f"--role={sandbox.role_name}",
        f"--settings={settings}", "--fix", "--yes", "--forwarders=generic-mixed", "--allow=create-bucket",
    )  # fmt: skip
    ran.assert_no_crash()
    assert writes_of_the_suite(sandbox.endpoint) == before
    row = ran.of("BLOCKED")["runtime-custom", f"{UNTOUCHED}/us-east-1/generic-mixed"]
    assert "no release for this account" in row["reason"]
    assert "tenant" in row["remedy"]
