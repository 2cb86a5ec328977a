"""One backfill: list, show, ask, send, watch, tell. Sends nothing that it has not shown."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from checks.verdict import FINDINGS, FIX_FAILED, HOLDS, INTERRUPTED, NOT_SEEN
from fixtures.errors import InputError
from fixtures.estate import Estate, Forwarder, Target
from fixtures.fact import Absent, value
from fixtures.ledger.listing import NoLedgerError
from fixtures.ledger.span import Span
from fixtures.prices import prices_with
from fixtures.run_folder import run_folder, run_id
from fixtures.state import ESTATE, SETTINGS
from remediation.access import Access
from remediation.backfill.aside import FILE as ASIDE
from remediation.backfill.aside import write_aside
from remediation.backfill.book import BEGIN, Book, Fate, Standing, read_book
from remediation.backfill.earlier import JOURNAL, manifest_in
from remediation.backfill.event import event_of
from remediation.backfill.lane import Lane
from remediation.backfill.listing import Listed, listed
from remediation.backfill.manifest import Line, Manifest
from remediation.backfill.part import Part, Refused, part_of
from remediation.backfill.progress import Seldom, Shown, shown
from remediation.backfill.request import BackfillRequest
from remediation.backfill.story import Planned, end_lines, plan_lines, refused_lines
from remediation.consent import Asking, Consent, consent_to
from remediation.engine import side_by_side
from remediation.interrupts import Interrupts
from remediation.journal import FINISHED, RESUME, Journal, iter_journal
from remediation.ledger import How, Sources, open_ledger, sources_of
from remediation.lock import TargetLocks
from remediation.preflight import Obstacle
from remediation.step import StepBlocked
from remediation.writer import Writer

_LATE: Final = timedelta(seconds=5)  # by which clocks may differ
_SHOWN: Final = 10  # objects that were set aside, in the terminal


@dataclass(frozen=True, slots=True)
class ToSend:
    """One line of a manifest as an event."""

    line: int
    payload: str


@dataclass
class BackfillRun:
    """The state of one backfill; `say` tells people a line."""

    config: pytest.Config
    request: BackfillRequest
    say: Callable[[str], None]
    stopped: dict[str, str] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    _locking: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Prepare what is written with; nothing is asked of AWS."""
        self.access = Access(self.config)
        self.locks = TargetLocks(run_id(self.config))
        way_on = f"taegis-forwarders backfill --resume={run_id(self.config)}"
        self.interrupts = Interrupts(self.access.stop, way_on, self.say)

    @property
    def estate(self) -> Estate:
        """What was seen."""
        return self.config.stash[ESTATE]

    @property
    def folder(self) -> Path:
        """The run's."""
        return run_folder(self.config)

    def carry_out(self) -> int:
        """Do what was asked for; returns the exit code."""
        journal = Journal(self.folder / JOURNAL, take_up=self.request.resume is not None)
        try:
            with self.interrupts.heeded():
                return self._resumed(journal) if self.request.resume else self._begun(journal)
        except KeyboardInterrupt:
            return INTERRUPTED
        finally:
            self._give_locks_back(journal)
            journal.close()

    def _begun(self, journal: Journal) -> int:
        with self.interrupts.abandonable():
            found = self._listed(journal)
        prices = prices_with(self.config.stash[SETTINGS].prices)
        for line in plan_lines([one.told for one in found], self.refused, prices):
            self.say(line)
        left = [one for one in found if one.manifest.lines]
        if self.request.plan or not left:
            return self._unsent_code(found, sends=bool(left))
        with self.interrupts.abandonable():
            consent = self._consent(left)
        if not consent.given:
            self.say(f"nothing was sent: {consent.how}")
            return FINDINGS
        parts = [_begin_of(one) for one in left]
        span = str(self.request.span) if self.request.span else ""
        journal.write(BEGIN, run=run_id(self.config), steps=[], span=span, forwarders=parts, consent=consent.how)
        standings = {one.part.subject: Standing(one.part.subject, one.manifest.lines) for one in left}
        return self._sent(journal, left, standings, [one.told for one in found])

    def _resumed(self, journal: Journal) -> int:
        told = read_book(iter_journal(journal.path))
        if told.finished or not told.standings:
            self.say(f"run {self.folder.name}: " + ("it had finished" if told.finished else "it had not begun to send"))
            return HOLDS if told.finished else FINDINGS
        with self.interrupts.abandonable():
            parts = {part.subject: part for part in self._parts(journal)}
        found = list(self._taken_up(told.begin, told.standings, parts))
        predicted = {subject: standing.maybe_sent for subject, standing in told.standings.items()}
        journal.write(RESUME, run=run_id(self.config), predicted=predicted)
        for subject, standing in told.standings.items():
            standing.predicted += predicted[subject]
            left = standing.lines - standing.cursor + len(standing.again)
            self.say(f"{subject}: {left:,} of {standing.lines:,} are left to send, {len(standing.waiting):,} wait for "
                     f"their end; up to {predicted[subject]:,} may be sent twice")  # fmt: skip
        for line in refused_lines(self.refused):
            self.say(line)
        return self._sent(journal, found, told.standings, [])

    def _taken_up(
        self, begin: Mapping[str, object], standings: Mapping[str, Standing], parts: Mapping[str, Part]
    ) -> Iterator[Listed]:
        for subject in standings:
            manifest = manifest_in(begin, subject, self.folder)
            if manifest is None:
                raise InputError(f"run {self.folder.name}", f"it does not say what {subject} is sent", "begin anew")
            manifest.refuse_another()
            if subject in parts:
                yield Listed(parts[subject], manifest, Planned(subject, None, manifest.lines, manifest.uncertain, None))
            elif all(one.subject != subject for one in self.refused):
                gone = Obstacle("it is not there any more, or was not looked at", "look where the run looked")
                account, region = subject.split("/")[:2]
                self.refused.append(Refused(subject, Target(account, region), (gone,)))

    def _parts(self, journal: Journal) -> list[Part]:
        forwarders = sorted(self.estate.forwarders, key=str)
        answers = side_by_side(lambda one: self._part(one, journal), forwarders, self.access.stop)
        self.refused += [answer for answer in answers if isinstance(answer, Refused)]
        return [answer for answer in answers if isinstance(answer, Part)]

    def _part(self, forwarder: Forwarder, journal: Journal) -> Part | Refused:
        return part_of(forwarder, self.estate, self._writer(journal, forwarder.target), self.request.rate)

    def _listed(self, journal: Journal) -> list[Listed]:
        span = self.request.span
        if span is None:
            raise InputError("--since", "missing", "say from when, e.g. --since=7d")
        sources = sources_of(self.config, span.until, How(told=Seldom(self.say)))
        answers = side_by_side(lambda part: self._list_of(part, sources, span), self._parts(journal), self.access.stop)
        self.refused += [answer for answer in answers if isinstance(answer, Refused)]
        return [answer for answer in answers if isinstance(answer, Listed)]

    def _list_of(self, part: Part, sources: Sources, span: Span) -> Listed | Refused:
        try:
            return listed(part, open_ledger(sources, part.forwarder, span), self.request, self.folder)
        except NoLedgerError as problem:
            obstacle = Obstacle(f"its bucket cannot be listed: {problem}", "mend that, run again")
            return Refused(part.subject, part.forwarder.target, (obstacle,))

    def _writer(self, journal: Journal, target: Target) -> Writer:
        return self.access.writer(journal, target, lambda _: None)

    def _consent(self, found: list[Listed]) -> Consent:
        accounts: dict[str, int] = {}
        for one in found:
            account = one.part.forwarder.target.account
            accounts[account] = accounts.get(account, 0) + one.manifest.lines
        alias = self.access.alias
        asking = Asking(
            about="backfill",
            will="send",
            number=sum(accounts.values()),
            noun="objects",
            lines=lambda: (f"{who} ({alias(who)}): {number:,} objects" for who, number in sorted(accounts.items())),
        )
        return consent_to(self.config, asking)

    def _sent(
        self, journal: Journal, found: list[Listed], standings: Mapping[str, Standing], planned: list[Planned]
    ) -> int:
        with shown(self.say) as progress:
            side_by_side(
                lambda one: self._lane(journal, one, standings[one.part.subject], progress), found, self.access.stop
            )
        aside = write_aside(self.folder / ASIDE, [(one, standings[one.part.subject]) for one in found])
        for line in end_lines(standings.values(), self.stopped):
            self.say(line)
        for line in aside[:_SHOWN]:
            self.say(f"  set aside: {line}")
        if aside:
            self.say(f"{len(aside):,} objects were set aside: {self.folder / ASIDE}")
        return self._code(journal, standings, planned)

    def _lane(self, journal: Journal, one: Listed, standing: Standing, progress: Shown) -> None:
        part, subject = one.part, one.part.subject
        try:
            self._lock(part)
        except StepBlocked as refusal:
            self.stopped[subject] = f"{refusal}; {refusal.to_do}"
            return
        progress.begin(subject, one.manifest.lines)
        lane = Lane(
            writer=part.writer,
            function=part.function,
            book=Book(journal, standing, part.where),
            watch=part.watch(standing.waits_since - _LATE),
            budget=self.request.budget,
            patience=part.writer.limits.proof,
            ended=lambda _, fate: progress.ended(subject, fate),
            taken=lambda _: progress.taken(subject),
        )
        for _ in range(2):  # what nobody answered for is sent once more, behind all others
            lane.send(self._events(one.part, one.manifest, standing))
            lane.finish()
        if lane.stopped:
            self.stopped[subject] = lane.stopped
            progress.say(f"{subject}: STOPPED: {lane.stopped}")

    def _events(self, part: Part, manifest: Manifest, standing: Standing) -> Iterator[ToSend]:
        """What is left to send: what was begun and not taken, then what was never begun."""
        again, cursor = set(standing.again), standing.cursor
        first = min((*again, cursor + 1))
        for line in manifest.read(after=first - 1):
            if line.number > cursor or line.number in again:
                self._lock(part)
                yield self._event(part, line)

    def _event(self, part: Part, line: Line) -> ToSend:
        return ToSend(line.number, event_of(line.object, part.address, run_id(self.config)))

    def _lock(self, part: Part) -> None:
        """Take or renew the target's lock; there is none while the artifact bucket is missing or not known."""
        target = part.forwarder.target
        artifact = value(self.estate.seen(target).artifact)
        if artifact is None or isinstance(artifact.region, Absent):
            return
        with self._locking:
            self.locks.take(part.writer, target, artifact.name)

    def _give_locks_back(self, journal: Journal) -> None:
        writers = [(target, self._writer(journal, target)) for target in self.locks.targets]
        for problem in self.locks.release(writers):
            self.say(problem)

    def _unsent_code(self, found: list[Listed], *, sends: bool) -> int:
        if sends or self.refused or any(one.told.unsendable for one in found):
            return FINDINGS
        doubtful = any(set(one.told.by_earlier) - {Fate.PROVED} for one in found)
        return NOT_SEEN if doubtful or not found else HOLDS

    def _code(self, journal: Journal, standings: Mapping[str, Standing], planned: list[Planned]) -> int:
        known = standings.values()
        open_ones = any(standing.again or standing.cursor < standing.lines for standing in known)
        if not open_ones and not self.access.stop.is_set():
            journal.write(FINISHED, run=run_id(self.config))
        if self.access.stop.is_set():
            return INTERRUPTED
        if self.stopped or open_ones:
            return FIX_FAILED
        bad = any(standing.count(Fate.FAILED, Fate.REFUSED, Fate.UNANSWERED) for standing in known)
        if bad or self.refused or any(part.unsendable for part in planned):
            return FINDINGS
        unseen = any(standing.count(Fate.QUIET, Fate.UNSEEN, Fate.WAITING) for standing in known)
        return NOT_SEEN if unseen or any(set(part.by_earlier) - {Fate.PROVED} for part in planned) else HOLDS


def _begin_of(one: Listed) -> Mapping[str, object]:
    return {
        "subject": one.part.subject,
        "function": one.part.function.name,
        "bucket": one.manifest.bucket,
        "manifest": one.manifest.path.name,
        "sha256": one.manifest.sha256,
        "lines": one.manifest.lines,
        "uncertain": one.manifest.uncertain,
        "size": one.manifest.size,
    }
