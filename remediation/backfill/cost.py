"""What a backfill will take: calls, time and what Lambda and S3 charge for it. An estimate, and told as one."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from fixtures.prices import Prices
from remediation.backfill.pace import Function

_GUESSED: Final = 5.0  # seconds that a call takes where nothing tells


@dataclass(frozen=True, slots=True)
class Cost:
    """What sending some events to one function takes.

    Attributes:
        calls: how many events are sent.
        size: bytes that the function reads from S3, and sends to XDR.
        seconds: how long a call takes.
        guessed: whether that is a guess: neither log nor metrics told.
        gb_seconds: memory times time, what Lambda charges by.
        rate: calls a second at most.
    """

    calls: int
    size: int
    seconds: float
    guessed: bool
    gb_seconds: float
    rate: float

    @property
    def time(self) -> timedelta:
        """How long the sending takes at that rate."""
        return timedelta(seconds=round(self.calls / self.rate))

    def price(self, prices: Prices) -> float:
        """What Lambda and S3 charge for the calls and for the function's reads."""
        return (
            self.gb_seconds * prices.of["lambda_gb_second"]
            + self.calls / 1e6 * prices.of["lambda_million_calls"]
            + self.calls / 1e3 * prices.of["s3_thousand_reads"]
        )


def cost_of(calls: int, size: int, function: Function, memory: int) -> Cost:
    """What it takes to send so many events to a function with so many MiB of memory."""
    seconds = function.seconds or _GUESSED
    return Cost(
        calls=calls,
        size=size,
        seconds=seconds,
        guessed=function.seconds is None,
        gb_seconds=calls * seconds * memory / 1024,
        rate=function.rate(),
    )


def bytes_told(size: int) -> str:
    """`1.4 GB`."""
    amount, unit = float(size), "bytes"
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{size} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"


def time_told(length: timedelta) -> str:
    """`2 d 3 h`, `14 min`, `9 s`."""
    seconds = int(length.total_seconds())
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{seconds} s"
