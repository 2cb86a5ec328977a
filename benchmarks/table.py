"""The measured rows as a Markdown table: seconds are of this machine, ratios are to the case's first row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.cases import Case
from benchmarks.process import Cost
from benchmarks.running import Asked

_HEAD = (
    "contender", "wall s", "CPU s", "requests", "throttled", "peak in flight", "MB main", "MB all", "assertions",
    "wall", "CPU", "requests",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One contender in one case: the run with the median wall time, or why there is none."""

    name: str
    cost: Cost | None = None
    asked: Asked | None = None
    assertions: int = 0
    why: str = ""


def case_text(case: Case, rows: Sequence[Row], repeat: int) -> Iterator[str]:
    """One case."""
    limits = f", throttled at {case.share:g} x AWS's rates" if case.share else ""
    yield f"**{case.estate}** ({case.estate.count} forwarders): {case.what}; {case.latency * 1000:.0f} ms{limits}"
    yield ""
    yield f"| {' | '.join(_HEAD)} |"
    yield f"| --- |{' ---: |' * (len(_HEAD) - 1)}"
    for row in rows:
        yield f"| {' | '.join(_cells(row, rows[0]))} |"
    yield ""
    if repeat > 1:
        yield f"Median of {repeat} runs each, one contender after another in every round."
        yield ""
    first = rows[0]
    if first.cost and first.asked:
        yield _about(first.cost, first.asked, first.assertions)
        yield ""


def _cells(row: Row, first: Row) -> list[str]:
    if row.cost is None or row.asked is None:
        return [f"{row.name}: {row.why}", *[""] * (len(_HEAD) - 1)]
    cost, asked = row.cost, row.asked
    cells = [
        row.name, f"{cost.seconds:.1f}", f"{cost.cpu:.1f}", f"{asked.requests:,}", f"{sum(asked.throttled.values()):,}",
        str(asked.peak), _megabytes(cost.main), _megabytes(cost.whole), f"{row.assertions:,}",
    ]  # fmt: skip
    if first.cost is None or first.asked is None:
        return [*cells, "", "", ""]
    ratios = (cost.seconds / first.cost.seconds, cost.cpu / first.cost.cpu, asked.requests / first.asked.requests)
    return [*cells, *(f"{ratio:.1f} x" for ratio in ratios)]


def _about(cost: Cost, asked: Asked, assertions: int) -> str:
    looking = asked.last - asked.first
    rate = f", {asked.requests / looking:.0f} requests a second" if looking > 1 else ""
    after = cost.seconds - (asked.last - cost.began)
    each = f", {after / assertions * 1000:.2f} ms for each assertion" if assertions else ""
    return (
        f"The suite: first request {asked.first - cost.began:.2f} s after its start; {looking:.1f} s of looking{rate}; "
        f"{after:.1f} s from the last answer to the end{each}. The emulated cloud itself used {asked.cpu:.1f} CPU s."
    )


def _megabytes(found: float | None) -> str:
    return "-" if found is None else f"{found:.0f}"
