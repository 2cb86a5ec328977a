"""What is worth telling somebody at night, and how the message is made."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from checks.outcome import Severity, Status
from checks.result import Result
from fixtures.delivery import Occasion
from fixtures.estate import Estate, Target
from reports.delivery.message import MOST_CHANGES, message_of
from reports.delivery.news import quiet
from reports.delivery.rendering import MOST, plain_text, slack_text
from reports.history.changes import Change, ChangedFinding, Changes, History, PastRun
from reports.summary import Run, Summary, summarise
from tests.fake_run import TAKEN, case, estate, forwarder, seen

SUBJECT = "111122223333/us-east-1/trail"
HERE = Target("111122223333", "us-east-1")
SEEN = estate(seen(HERE, forwarder(SUBJECT)))
UNSEEN = estate(seen(HERE, reached=False))
OPEN = (case("runtime-custom", Status.FAILED, SUBJECT),)
FINE = (case("runtime-custom", Status.PASSED, SUBJECT),)
UNKNOWN = (case("runtime-custom", Status.UNKNOWN, SUBJECT, reason="denied"),)


def changed(change: Change, before: Status | None = None, **texts: str) -> ChangedFinding:
    found = ChangedFinding(
        change, "runtime-custom", "It runs.", Severity.HIGH, SUBJECT, HERE.account, HERE.region, "trail",
        Status.FAILED, before, TAKEN, "go1.x", "0d8a4c6be1b6b9a2",
    )  # fmt: skip
    return replace(found, **texts)


def a_summary(
    *findings: ChangedFinding, results: tuple[Result, ...] = OPEN, estate: Estate = SEEN, **before: object
) -> Summary:
    """A run and, unless `previous=None`, a run before it that ended just alike but for what `before` says."""
    alone = summarise(Run(results, estate, pytest_code=1 if results == OPEN else 0, id="20261124T041530Z-9f3c"))
    cover = alone.coverage
    assert cover
    alike = PastRun("before", TAKEN - timedelta(days=1), "audit", alone.verdict.code, cover.asked, cover.reached,
                    cover.forwarders, alone.counts)  # fmt: skip
    previous = None if before == {"previous": None} else replace(alike, **before)  # type: ignore[arg-type]
    history = History("fleet.sqlite", Changes(previous, findings), ())
    return replace(alone, run=replace(alone.run, history=history))


NEWS: Mapping[str, tuple[Summary, bool]] = {
    "nothing-moved": (a_summary(), False),
    "all-as-it-was": (a_summary(changed(Change.STILL)), False),
    "one-is-new": (a_summary(changed(Change.NEW)), True),
    "one-is-fixed": (a_summary(changed(Change.FIXED)), True),
    "one-is-gone": (a_summary(changed(Change.GONE)), True),
    "one-was-waived-today": (a_summary(changed(Change.WAIVED, Status.FAILED)), True),
    "one-was-waived-at-once": (a_summary(changed(Change.WAIVED)), True),
    "one-is-waived-as-ever": (a_summary(changed(Change.WAIVED, Status.WAIVED)), False),
    "one-is-out-of-sight-as-last-night": (a_summary(changed(Change.UNKNOWN)), False),
    "a-target-is-out-of-reach": (a_summary(estate=UNSEEN, reached=1), True),
    "a-target-is-out-of-reach-as-last-night": (a_summary(estate=UNSEEN), False),
    "a-target-is-in-reach-again": (a_summary(reached=0), True),
    "a-target-more-is-asked": (a_summary(asked=0), True),
    "a-forwarder-more-is-there": (a_summary(forwarders=0), True),
    "more-could-not-be-told": (a_summary(results=UNKNOWN, counts={Status.PASSED: 1}), True),
    "as-much-could-not-be-told": (a_summary(results=UNKNOWN), False),
    "another-exit-code": (a_summary(code=10), True),
    "the-first-run-finds-something": (a_summary(changed(Change.NEW), previous=None), True),
    "the-first-run-finds-nothing": (a_summary(results=FINE, previous=None), False),
}


@pytest.mark.parametrize("name", NEWS)
def test_what_is_news(name: str) -> None:
    summary, is_news = NEWS[name]
    assert bool(quiet(summary, Occasion.CHANGE, whole=True)) is not is_news


def test_a_narrow_look_does_not_compare_its_numbers() -> None:
    assert quiet(a_summary(asked=9, forwarders=40, code=0), Occasion.CHANGE, whole=False)
    assert not quiet(a_summary(changed(Change.NEW), asked=9), Occasion.CHANGE, whole=False)


FINDINGS = {"open": (OPEN, True), "unknown": (UNKNOWN, True), "fine": (FINE, False)}


@pytest.mark.parametrize("name", FINDINGS)
def test_a_finding_is_what_is_open_or_could_not_be_seen(name: str) -> None:
    results, is_news = FINDINGS[name]
    assert bool(quiet(a_summary(results=results), Occasion.FINDING, whole=True)) is not is_news
    assert quiet(a_summary(results=results), Occasion.ALWAYS, whole=True) == ""


def test_a_target_that_was_not_reached_is_a_finding() -> None:
    assert quiet(a_summary(results=FINE, estate=UNSEEN), Occasion.FINDING, whole=True) == ""


class TestMessage:
    def test_the_subject_is_one_short_line_of_ascii(self) -> None:
        summary = a_summary(*[changed(Change.NEW)] * 2, changed(Change.FIXED), changed(Change.STILL))
        assert message_of(summary, "").subject.startswith("Taegis forwarders: 2 new, 1 fixed (exit 1). 1 finding rem")
        odd = replace(summary, verdict=replace(summary.verdict, sentence="ä\nb" * 60))
        found = message_of(odd, "").subject
        assert len(found) == 100
        assert all(" " <= letter <= "~" for letter in found)

    def test_without_a_history_the_subject_says_what_is_open(self) -> None:
        summary = a_summary()
        alone = replace(summary, run=replace(summary.run, history=None))
        message = message_of(alone, "")
        assert message.subject.startswith("Taegis forwarders: 1 finding (exit 1). ")
        assert message.document["changes"] is None
        assert message.attributes == {"code": 1, "open": 1, "new": 0, "mode": "audit"}

    def test_the_document_names_what_moved_and_counts_the_rest(self) -> None:
        many = [changed(Change.NEW, subject=f"{SUBJECT}-{number}") for number in range(70)]
        document = message_of(a_summary(*many, changed(Change.STILL)), "https://r.example.com/d.html").document
        listed = document["changed"]
        assert isinstance(listed, list)
        assert (len(listed), document["not_listed"]) == (MOST_CHANGES, 70 - MOST_CHANGES)
        assert document["changes"] == {"new": 70, "still": 1}
        assert listed[0]["link"] == f"https://r.example.com/d.html#runtime-custom/{SUBJECT}-0"


TEXTS = {
    "bold": ("**b**", "*b*", "b"),
    "heading": ("## Who", "*Who*", "## Who"),
    "link": ("[a](https://x/y#z)", "<https://x/y#z|a>", "a https://x/y#z"),
    "link-with-marks": (r"[a \[b\]](https://x)", "<https://x|a [b]>", "a [b] https://x"),
    "escaped": (r"\*a\* \_b\_ \[c\]", "*a* _b_ [c]", "*a* _b_ [c]"),
    "a-call-to-all": (r"\<!channel>", "&lt;!channel&gt;", "<!channel>"),
    "a-call-to-all-unescaped": ("<!channel>", "&lt;!channel&gt;", "<!channel>"),
    "ampersand": ("a & b", "a &amp; b", "a & b"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_markdown_in_slack_and_in_mails(name: str) -> None:
    markdown, slack, plain = TEXTS[name]
    assert (slack_text(markdown), plain_text(markdown)) == (slack, plain)


def test_a_channel_is_spared_a_long_text() -> None:
    found = slack_text("a line\n" * 5000)
    assert len(found) <= MOST
    assert found.endswith("a line\n_cut here; the report has all of it_")
