"""The runtime calendar: which runtimes the forwarders are on, and how many days AWS leaves each."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from html import escape

from checks.verdict import count
from fixtures.calendar import Calendar, Phase, load_calendar
from fixtures.estate import Estate
from fixtures.fact import Absent, Unreadable
from reports.html_markup import listed, section

_SOON = 90  # days


def calendar_block(estate: Estate) -> str:
    """One row for each runtime, the most urgent first; empty where no runtime was read."""
    users: dict[str, list[str]] = defaultdict(list)
    for forwarder in estate.forwarders:
        if not isinstance(forwarder.listed, Absent | Unreadable) and forwarder.listed.runtime:
            users[forwarder.listed.runtime].append(str(forwarder))
    if not users:
        return ""
    calendar, today = load_calendar(), estate.taken.date()
    far = 10**6

    def urgency(runtime: str) -> tuple[int, str]:
        left = calendar.days_until_update_block(runtime, today)
        return (far if left is None else left, runtime)

    rows = "".join(_row(runtime, users[runtime], calendar, today) for runtime in sorted(users, key=urgency))
    head = "".join(
        f'<th scope="col">{title}</th>'
        for title in ("Runtime", "Forwarders", "Deprecated", "No new ones", "No updates", "Days left", "Which")
    )
    body = f'<table class="calendar"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    return section("runtimes", "Runtime calendar", body, note=f"as of {today}; {calendar}")


def _row(runtime: str, users: list[str], calendar: Calendar, today: date) -> str:
    return f'<tr><th scope="row">{escape(runtime)}</th>{"".join(_cells(runtime, users, calendar, today))}</tr>'


def _cells(runtime: str, users: list[str], calendar: Calendar, today: date) -> Iterator[str]:
    yield f"<td>{len(users):,}</td>"
    dates = calendar.lookup(runtime)
    for day in (dates.deprecated, dates.create_blocked, dates.update_blocked) if dates else (None, None, None):
        past = ' class="past"' if day and day <= today else ""
        yield f"<td{past}>{day or 'no date'}</td>"
    left = calendar.days_until_update_block(runtime, today)
    phase = calendar.phase(runtime, today)
    if left is None:
        yield f"<td>{'not in the calendar' if phase is Phase.UNKNOWN else 'no end known'}</td>"
    elif left <= 0:
        yield f'<td class="ended"><b>ended {count(-left, "day")} ago</b></td>'
    else:
        yield f"<td{' class=soon' if left <= _SOON else ''}><b>{count(left, 'day')}</b> <small>{phase}</small></td>"
    yield f"<td>{escape(listed(sorted(users), 3))}</td>"
