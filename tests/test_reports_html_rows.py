"""What has a row, what is grouped, and what only the side file holds; and commands that can be typed as they stand."""

import html
import json
import re
import shlex
from dataclasses import replace

import pytest

from checks.outcome import Severity, Status
from fixtures.estate import Target
from fixtures.selection import Selection
from reports.commands import Commands, Scope
from reports.html_markup import anchor
from reports.html_places import who_must_act
from reports.html_rows import Rows, rows_block, rows_of
from reports.standing import standing
from tests.fake_run import case, estate, seen
from tests.html_shell import whole_page
from tests.many_results import history_of, many
from tests.some_options import parsed

US = "111122223333/us-east-1"
HOSTILE = "</script><script>document.title='owned'</script>\"'&<!--"


def failures(number: int) -> tuple[Rows, str]:
    rows = rows_of([case("runtime", Status.FAILED, f"{US}/f{index}", found="go1.x") for index in range(number)], most=5)
    return rows, rows_block(rows, None, "")


def test_few_results_have_a_row_each() -> None:
    rows, block = failures(5)

    assert (len(rows.single), rows.groups) == (5, ())
    assert block.count('class="row ') == 5


def test_more_than_that_are_one_row_for_each_shape_and_every_subject_can_still_be_found() -> None:
    rows, block = failures(12)

    members = re.search(r'id="members">(.*?)</script>', block)
    assert rows.single == ()
    assert block.count('class="row ') == 1
    assert "12 subjects" in block
    assert "and 4 more" in block
    assert members
    told = json.loads(members[1])
    assert told["groups"] == [["runtime", *range(12)]]
    assert set(told["subjects"]) == {f"{US}/f{index}" for index in range(12)}


def test_shapes_beyond_the_limit_are_counted_and_said_to_be_elsewhere() -> None:
    results = [case("runtime", Status.FAILED, f"{US}/f{index}", found=f"odd {index}") for index in range(9)]

    rows = rows_of(results, most=5)

    assert (len(rows.groups), rows.left_out) == (5, 4)
    assert "4 further results in the side file only" in rows_block(rows, None, "")


def test_old_packages_that_differ_only_in_their_digest_are_one_shape() -> None:
    results = [case("code", Status.FAILED, f"{US}/f{digit}", found=f"CodeSha256 {digit * 43}=") for digit in "abcdefgh"]

    (group,) = rows_of(results, most=5).groups

    assert group.shared.found == "CodeSha256 <digest>"


def test_an_address_is_the_same_in_every_run_and_holds_whatever_a_name_holds() -> None:
    assert anchor("runtime-custom", f"{US}/trail") == f"runtime-custom/{US}/trail"
    assert anchor("release-files", 'tenant "a" b/ü') == "release-files/tenant%20%22a%22%20b/%C3%BC"


def test_nothing_that_comes_from_aws_is_markup_in_any_part_of_the_page() -> None:
    place = seen(Target(HOSTILE, HOSTILE))
    results = tuple(
        case("c", status, f"{US}/f", found=HOSTILE, expected=HOSTILE, reason=HOSTILE, remedy=HOSTILE)
        for status in Status
    )
    hostile = tuple(
        replace(result, account=HOSTILE, region=HOSTILE, forwarder=HOSTILE, subject=HOSTILE, title=HOSTILE)
        for result in results
    )
    pages = [whole_page(hostile, estate(place), history_of(hostile)), rows_block(rows_of(hostile, most=1), None, "")]

    assert [page.count("<script>document") for page in pages] == [0, 0]
    assert html.escape(HOSTILE) in pages[0]


@pytest.mark.parametrize(
    ("typed", "scope", "expected"),
    [
        (["--regions=us-east-1,eu-west-1", "--accounts=111122223333,444455556666", "--release=my downloads"],
         Scope(("111122223333",), ("eu-west-1",)),
         ["--regions=eu-west-1", "--accounts=111122223333", "--release=my downloads", "--fix"]),
        (["--regions=us-east-1", "--accounts=fleet.toml", "--role=Audit", "--fix-role=Fix", "--allow=create-bucket"],
         Scope(("111122223333", "444455556666"), (), ("runtime-custom",)),
         ["--regions=us-east-1", "--accounts=fleet.toml", "-k", "111122223333 or 444455556666",
          "--checks=runtime-custom", "--role=Audit", "--fix", "--fix-role=Fix", "--allow=create-bucket"]),
        (["--sandbox", "--regions=us-east-1,eu-west-1"], Scope(("111122223333",), ("eu-west-1",)),
         ["--sandbox", "--regions=us-east-1,eu-west-1", "-k", "111122223333", "--fix"]),
        (["--replay=estate.json"], Scope(("111122223333",), ("eu-west-1",)),
         ["--regions=eu-west-1", "--accounts=111122223333", "--fix"]),
        (["--sandbox", "--regions=us-east-1", "--accounts=111122223333,999988887777"], Scope(("999988887777",)),
         ["--sandbox", "--regions=us-east-1", "--accounts=111122223333,999988887777", "-k", "999988887777", "--fix"]),
        (["--regions=us-east-1", "--forwarders=edge-*", "--checks=a,b", "--waivers=w.toml", "--baseline=b.toml",
          "--drift", "--compare-secret", "--log-window=3d", "--rings=2,50%", "--fix-limit=7"], Scope(),
         ["--regions=us-east-1", "--checks=a,b", "--forwarders=edge-*", "--baseline=b.toml", "--waivers=w.toml",
          "--drift", "--compare-secret", "--log-window=259200s", "--fix", "--rings=2,50%", "--fix-limit=7"]),
        (["--regions=us-east-1", "--forwarders=edge-*", "--checks=a,b", "--log-window=24h", "--rings=1,10%,100%",
          "--fix-limit=100"], Scope((), (), ("b",), ("edge-1",)),
         ["--regions=us-east-1", "--checks=b", "--forwarders=edge-1", "--fix"]),
    ],
    ids=["ids", "file", "sandbox", "replay", "accounts of a sandbox", "what was left out stays so", "narrower"],
)  # fmt: skip
def test_a_command_is_the_runs_own_narrowed_to_its_scope(typed: list[str], scope: Scope, expected: list[str]) -> None:
    line = Commands(parsed(*typed)).fix(scope)

    assert shlex.split(line) == ["pytest", *expected]


@pytest.mark.parametrize(
    ("keyword", "expected"),
    [
        ("", ["-k", "111122223333"]),
        ("111122223333", ["-k", "111122223333"]),
        ("trail or waf", ["-k", "(trail or waf) and (111122223333)"]),
    ],
)
def test_what_was_chosen_with_pytests_own_options_stays_chosen(keyword: str, expected: list[str]) -> None:
    selection = Selection(("checks/test_code.py", "/elsewhere/test_own.py"), keyword, "critical")
    commands = Commands(parsed("--regions=us-east-1", "--accounts=fleet.toml"), selection=selection)

    line = commands.fix(Scope(("111122223333",)))

    where = ["pytest", "checks/test_code.py", "--regions=us-east-1", "--accounts=fleet.toml"]
    assert shlex.split(line) == [*where, *expected, "-m", "critical", "--fix"]


def test_a_backfill_is_given_nothing_that_only_judges_or_selects_checks() -> None:
    words = (
        "--accounts=fleet.toml",
        "--checks=a",
        "--waivers=w.toml",
        "--forwarders=edge-*",
        "--drift",
        "--fix-limit=7",
    )
    commands = Commands(parsed("--regions=us-east-1", *words), selection=Selection((), "trail", ""))

    line = commands.backfill(Scope(("111122223333",)), ("--since=1d",))

    expected = ["--regions=us-east-1", "--accounts=fleet.toml", "--forwarders=edge-*", "--since=1d"]
    assert shlex.split(line) == ["taegis-forwarders", "backfill", *expected]


def test_a_home_folder_is_told_as_a_tilde_and_an_external_id_is_left_to_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/somebody")
    options = parsed("--regions=us-east-1", "--release=~/downloads", "--external-id=canary", "--accounts=111122223333")

    line = Commands(options, has_release=True).look(Scope())

    assert "--release=~/downloads" in line.replace("'", "")
    assert "/somebody" not in line
    assert "canary" not in line
    assert line.endswith('--external-id="$EXTERNAL_ID"')


def test_the_worst_account_stands_first_and_one_that_was_not_reached_is_not_forgotten() -> None:
    targets = [
        seen(Target(account, "us-east-1"), reached=account != "3" * 12) for account in ("1" * 12, "2" * 12, "3" * 12)
    ]
    results = [
        case("a", Status.FAILED, f"{'1' * 12}/us-east-1/x", Severity.LOW),
        case("b", Status.FAILED, f"{'2' * 12}/us-east-1/x", Severity.CRITICAL, fix="trigger"),
    ]

    rows = standing(results, estate(*targets)).accounts

    assert [row.account for row in rows] == ["2" * 12, "1" * 12, "3" * 12]
    assert (rows[0].fixable, rows[1].fixable, rows[2].unreached) == (1, 0, ("us-east-1",))


@pytest.mark.parametrize(("status", "ends"), [(Status.BLOCKED, " --fix"), (Status.FAILED, " --release=downloads")])
def test_what_waits_for_a_person_is_followed_by_the_command_that_comes_after(status: Status, ends: str) -> None:
    """What a fix refused goes on with a fix; what no program should mend is looked at again."""
    found = standing([case("stack", status, f"{US}/trail", remedy="continue the rollback")], None)

    told = who_must_act(found, Commands(parsed("--regions=us-east-1", "--release=downloads")), fixing=True)

    (line,) = re.findall(r'<code class="command">(.*?)</code>', told)
    assert re.sub(r"<[^>]+>", "", line).endswith(ends)
    assert ("--fix" in line) is (status is Status.BLOCKED)


@pytest.mark.parametrize("share", [0.01, 0.3, 1.0])
def test_a_page_of_24_000_results_stays_below_5_megabytes(share: float) -> None:
    results, found = many(24_000, share)

    page = whole_page(results, found, history_of(results))

    assert len(page.encode()) < 5_000_000
    assert page.count('class="row ') <= 2_000
    assert page.count('<td class="cell') == 300 * 17
