"""What a verification says, one line each: what holds, or what does not."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Said:
    """One line."""

    holds: bool
    text: str


def holds(text: str) -> Said:
    """Something that was checked and holds."""
    return Said(holds=True, text=text)


def fault(text: str) -> Said:
    """Something that does not."""
    return Said(holds=False, text=text)
