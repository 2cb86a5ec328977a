"""What became of a run's deliveries. None of it changes the verdict."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

INTERRUPTED: Final = "interrupted"


@dataclass(frozen=True, slots=True)
class Sent:
    """One message to one target; `trouble` says why it did not get there, and is empty where it did."""

    to: str
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class NotImported:
    """Why findings are not in Security Hub as they should be, and where: one cause, told once."""

    cause: str
    where: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the findings in Security Hub.

    Attributes:
        imported: findings that were taken, in so many `targets`.
        targets: see `imported`.
        archived: those of earlier runs that are none any more.
        suppressed: how many were set aside, as their waiver says; `reopened` are those whose waiver is gone.
        reopened: see `suppressed`.
        placeless: open findings that are about no account and region, and have no place there.
        troubles: what did not go in.
    """

    imported: int = 0
    targets: int = 0
    archived: int = 0
    suppressed: int = 0
    reopened: int = 0
    placeless: int = 0
    troubles: tuple[NotImported, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivered:
    """Everything that a run delivered. `quiet` says why nobody was notified, where that was as it should be."""

    messages: tuple[Sent, ...] = ()
    quiet: str = ""
    hub: Imported | None = None

    @property
    def failed(self) -> tuple[Sent, ...]:
        """The messages that did not get there."""
        return tuple(message for message in self.messages if message.trouble)


@dataclass(slots=True)
class Causes:
    """Collects places by what went wrong there."""

    places: dict[str, list[str]] = field(default_factory=dict)

    def add(self, cause: str, place: str) -> None:
        """Note one place."""
        known = self.places.setdefault(cause, [])
        if place not in known:
            known.append(place)

    def told(self) -> tuple[NotImported, ...]:
        """One entry for each cause, the most frequent first."""
        found = (NotImported(cause, tuple(sorted(places))) for cause, places in self.places.items())
        return tuple(sorted(found, key=lambda one: (-len(one.where), one.cause)))


def not_imported(cause: str) -> Imported:
    """Nothing went in, or nothing more, for one cause."""
    return Imported(troubles=(NotImported(cause, ("all that is not yet there",)),))


def broken(error: Exception) -> str:
    """What to tell of an error of the suite itself: where it is, and not what it says, which may hold an address."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return f"an error of the suite, {type(error).__name__}{where}"
