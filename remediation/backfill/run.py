"""One backfill: list, show, ask, send, watch, tell. Sends nothing that it has not shown."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import pytest

from checks.verdict import FINDINGS, FIX_FAILED, HOLDS, INTERRUPTED, NOT_SEEN
from fixtures.answers import moment
from fixtures.errors import SuiteError
from fixtures.estate import Estate, Target
from fixtures.prices import prices_with
from fixtures.run_folder import run_folder, run_id
from fixtures.state import ESTATE, SETTINGS
from remediation.access import Access
from remediation.backfill.aside import FILE as ASIDE
from remediation.backfill.aside import write_aside
from remediation.backfill.book import BEGIN, UNDELIVERED, Fate, Standing, read_book
from remediation.backfill.earlier import JOURNAL
from remediation.backfill.load import Gathering, Load
from remediation.backfill.progress import Seldom
from remediation.backfill.request import BackfillRequest
from remediation.backfill.sending import Sending
from remediation.backfill.story import Planned, end_lines, plan_lines, refused_lines
from remediation.consent import Asking, Consent, consent_to
from remediation.interrupts import Interrupts
from remediation.journal import FINISHED, RESUME, Journal, iter_journal
from remediation.ledger import How, sources_of
from remediation.lock import TargetLocks
from remediation.writer import Writer

_SHOWN: Final = 10  # objects that were set aside, in the terminal
_DOUBTFUL: Final = (Fate.QUIET, Fate.UNSEEN, Fate.WAITING)


@dataclass
class BackfillRun:
    """The state of one backfill; `say` tells people a line."""

    config: pytest.Config
    request: BackfillRequest
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        """Prepare what is written with; nothing is asked of AWS."""
        self.began = datetime.now(UTC)
        self.folder = run_folder(self.config)
        self.access = Access(self.config)
        self.locks = TargetLocks(run_id(self.config))
        way_on = f"taegis-forwarders backfill --resume={run_id(self.config)}"
        self.interrupts = Interrupts(self.access.stop, way_on, self.say)
        self.journal = Journal(self.folder / JOURNAL, take_up=self.request.resume is not None)
        self.gathering = Gathering(self.estate, self._writer, self.request, self.folder, self.access.stop)

    @property
    def estate(self) -> Estate:
        """What was seen."""
        return self.config.stash[ESTATE]

    def carry_out(self) -> int:
        """Do what was asked for; returns the exit code."""
        try:
            with self.interrupts.heeded():
                return self._resumed() if self.request.resume else self._begun()
        except KeyboardInterrupt:
            return INTERRUPTED
        finally:
            self._give_locks_back()
            self.journal.close()

    def _begun(self) -> int:
        with self.interrupts.abandonable():
            found = self._gathered()
        prices = prices_with(self.config.stash[SETTINGS].prices)
        for line in plan_lines([one.told for one in found], self.gathering.refused, prices):
            self.say(line)
        left = [one for one in found if one.number]
        if self.request.plan or not left:
            return self._unsent_code(found, sends=bool(left))
        with self.interrupts.abandonable():
            consent = self._consent(left)
        if not consent.given:
            self.say(f"nothing was sent: {consent.how}")
            return FINDINGS
        span = str(self.request.span or "")
        forwarders = [one.begin() for one in left]
        self.journal.write(
            BEGIN, run=run_id(self.config), steps=[], span=span, forwarders=forwarders, consent=consent.how
        )
        standings = {one.part.subject: Standing(one.part.subject, one.lines) for one in left}
        return self._sent(left, standings, [one.told for one in found])

    def _gathered(self) -> tuple[Load, ...]:
        if self.request.span is None:
            return self.gathering.queued(self.began)
        sources = sources_of(self.config, self.began, How(told=Seldom(self.say)))
        return self.gathering.listed(sources)

    def _resumed(self) -> int:
        told = read_book(iter_journal(self.journal.path))
        if told.finished or not told.standings:
            self.say(f"run {self.folder.name}: " + ("it had finished" if told.finished else "it had not begun to send"))
            return HOLDS if told.finished else FINDINGS
        with self.interrupts.abandonable():
            found = self.gathering.taken_up(told.begin, told.standings, moment(told.begin, "time") or self.began)
        predicted = {subject: standing.maybe_sent for subject, standing in told.standings.items()}
        self.journal.write(RESUME, run=run_id(self.config), predicted=predicted)
        for subject, standing in told.standings.items():
            standing.predicted += predicted[subject]
            left = standing.lines - standing.cursor + len(standing.again)
            of = f"{left:,} of {standing.lines:,} are left to send" if standing.lines else "its queues are read on"
            self.say(f"{subject}: {of}, {len(standing.waiting):,} wait for their end; up to {predicted[subject]:,} may "
                     "be sent twice")  # fmt: skip
        for line in refused_lines(self.gathering.refused):
            self.say(line)
        return self._sent(found, told.standings, [])

    def _sent(self, found: Sequence[Load], standings: Mapping[str, Standing], planned: Sequence[Planned]) -> int:
        sending = Sending(
            run=run_id(self.config),
            journal=self.journal,
            estate=self.estate,
            locks=self.locks,
            budget=self.request.budget,
            stop=self.access.stop,
            say=self.say,
        )
        sending.send(found, standings)
        aside = write_aside(self.folder / ASIDE, _aside(found, standings))
        for line in end_lines(standings.values(), sending.stopped):
            self.say(line)
        left = [f"{load.part.subject}: {text}" for load in found if (text := load.left_over())]
        for line in (*left, *(f"  set aside: {line}" for line in aside[:_SHOWN])):
            self.say(line)
        if aside:
            self.say(f"set aside, each with its reason: {self.folder / ASIDE}")
        return self._code(sending, standings, planned, left_over=bool(left))

    def _give_locks_back(self) -> None:
        try:
            problems = self.locks.release((target, self._writer(target)) for target in self.locks.targets)
        except SuiteError as problem:  # without a journal nothing is written: they end by themselves
            problems = (f"the locks are left: {problem}",)
        for text in problems:
            self.say(text)

    def _writer(self, target: Target) -> Writer:
        return self.access.writer(self.journal, target, lambda _: None)

    def _consent(self, found: Sequence[Load]) -> Consent:
        accounts: Counter[str] = Counter()
        for one in found:
            accounts[one.part.forwarder.target.account] += one.number
        alias = self.access.alias
        asking = Asking(
            about="backfill",
            will="send",
            number=accounts.total(),
            noun="objects",
            lines=lambda: (f"{who} ({alias(who)}): {number:,} objects" for who, number in sorted(accounts.items())),
        )
        return consent_to(self.config, asking)

    def _unsent_code(self, found: Sequence[Load], *, sends: bool) -> int:
        if sends or self.gathering.refused or any(one.told.unsendable for one in found):
            return FINDINGS
        return NOT_SEEN if _doubtful([one.told for one in found]) or not found else HOLDS

    def _code(
        self, sending: Sending, standings: Mapping[str, Standing], planned: Sequence[Planned], *, left_over: bool
    ) -> int:
        known = standings.values()
        is_open = any(standing.again or standing.cursor < standing.lines for standing in known)
        if self.access.stop.is_set() or sending.stopped or is_open:
            self.say(f"not all was sent; to go on: {self.interrupts.way_on}")
        if self.access.stop.is_set():
            return INTERRUPTED
        if sending.stopped or is_open:
            return FIX_FAILED
        self.journal.write(FINISHED, run=run_id(self.config))
        bad = any(standing.count(*UNDELIVERED) for standing in known)
        if bad or left_over or self.gathering.refused or any(part.unsendable for part in planned):
            return FINDINGS
        unseen = any(standing.count(*_DOUBTFUL) for standing in known)
        return NOT_SEEN if unseen or _doubtful(planned) else HOLDS


def _doubtful(planned: Sequence[Planned]) -> bool:
    """Whether there may be more objects, or one counts as sent by an earlier run that nobody saw delivered."""
    return any(part.unlisted or any(part.by_earlier.get(fate) for fate in _DOUBTFUL) for part in planned)


def _aside(found: Sequence[Load], standings: Mapping[str, Standing]) -> Iterator[tuple[str, str, str]]:
    for load in found:
        subject = load.part.subject
        yield from ((subject, what, why) for what, why in load.aside(standings[subject]))
