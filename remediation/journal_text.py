"""A run's journal told to people: what was asked of AWS, when, where, by which step, and what became of it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from fixtures.answers import as_answer, items, optional_text, texts
from remediation.backfill.book import ONE_EVENT
from remediation.journal import Entry

_WIDEST = 200  # characters of a reason or of what was read back
_ENDS = frozenset({"result", "failure"})
_UNTOLD = _ENDS | {"reconciled"} | ONE_EVENT  # told with what they belong to, or counted


def journal_lines(entries: Iterable[Entry]) -> Iterator[str]:
    """One line for each write with its end, for what was read back, and for each ring's begin and end."""
    known = tuple(entries)
    ends = {int(str(entry.content.get("intent"))): entry for entry in known if entry.kind in _ENDS}
    settled = {int(str(entry.content.get("intent"))): entry for entry in known if entry.kind == "reconciled"}
    rows = [row for entry in known if entry.kind not in _UNTOLD for row in _rows(entry, ends, settled)]
    widths = [max((len(row[column]) for row in rows if len(row) > column + 1), default=0) for column in range(5)]
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row[:-1], widths, strict=False)]
        yield "  ".join([*cells, row[-1]]).rstrip()


def journal_summary(entries: Iterable[Entry]) -> str:
    """`62 writes: 60 done, 1 refused, 1 without an answer`."""
    known = tuple(entries)
    ends = {int(str(entry.content.get("intent"))): entry for entry in known if entry.kind in _ENDS}
    counts = Counter(_state(ends.get(entry.number)) for entry in known if entry.kind == "intent")
    told = ", ".join(f"{count} {state}" for state, count in counts.most_common())
    events = Counter(entry.kind for entry in known if entry.kind in ONE_EVENT - {"ended"})
    sent = ", ".join(f"{count:,} {kind}" for kind, count in events.items())
    return f"{counts.total()} writes" + (f": {told}" if told else "") + (f"; events: {sent}" if sent else "")


def _rows(entry: Entry, ends: Mapping[int, Entry], settled: Mapping[int, Entry]) -> Iterator[tuple[str, ...]]:
    content = entry.content
    number, time = f"{entry.number:>5}", _time(content)
    match entry.kind:
        case "intent":
            yield (number, time, _where(content), _step(content), _call(content), _end(ends.get(entry.number)))
            if entry.number in settled:
                told = f"found later: {settled[entry.number].content.get('found')}"
                yield (f"{settled[entry.number].number:>5}", _time(settled[entry.number].content), told)
        case "verified":
            yield (number, time, _where(content), _step(content), "verified", _facts(content))
        case "change-set":
            yield (number, time, _where(content), _step(content), "change set", _described(content))
        case "proof":
            facts = as_answer(content.get("facts"), "facts")
            yield (number, time, _where(facts), _short(f"{facts.get('forwarder')}: {facts.get('told')}"))
        case kind:
            yield (number, time, _of_run(kind, content))


def _of_run(kind: str, content: Mapping[str, object]) -> str:
    """An entry that is about the run rather than about one place in it."""
    match kind:
        case "identity":
            told = f"writes in {content.get('account')} as {content.get('arn') or content.get('reason')}"
        case "consent":
            given = "may be applied" if content.get("given") else "is not applied"
            told = f"the plan of {content.get('forwarders')} forwarders {given}: {content.get('how')}"
        case "begin" if content.get("forwarders"):
            sent = items(content, "forwarders")
            lines = sum(int(str(one.get("lines"))) for one in sent)
            told = f"begin of a backfill of {lines:,} objects for {len(sent)} forwarders"
        case "begin":
            steps, undoes = len(texts(content, "steps")), optional_text(content, "undoes")
            undoing = f", undoing run {undoes}" if undoes else ""
            told = f"begin of {steps} steps, run {content.get('run')}{undoing}"
        case "end":
            states = content.get("steps")
            counts = Counter(map(str, states.values())) if isinstance(states, Mapping) else Counter[str]()
            told = f"end: {', '.join(f'{count} {state}' for state, count in counts.items()) or 'nothing'}"
        case "error":
            trace = (optional_text(content, "trace") or "").strip().splitlines()
            told = f"internal error in {content.get('step')}: {trace[-1] if trace else 'no trace'}"
        case "settled":
            where = f"line {content.get('line')} of run {content.get('run')}"
            told = f"{where}, {content.get('step')}: {content.get('found')}"
        case _:
            told = f"{kind} {content.get('run') or ''}"
    return told


def _state(end: Entry | None) -> str:
    if end is None:
        return "without an answer"
    if end.kind == "result":
        return "done"
    return "refused" if end.content.get("refused") is not False else "failed, perhaps carried out"


def _end(end: Entry | None) -> str:
    if end is None or end.kind == "result":
        return _state(end)
    return _short(f"{_state(end)}: {end.content.get('cause')}: {end.content.get('reason')}")


def _time(content: Mapping[str, object]) -> str:
    """`05:17:39`; the day stands in the run's id."""
    return (optional_text(content, "time") or "")[11:19]


def _where(content: Mapping[str, object]) -> str:
    return f"{content.get('account')}/{content.get('region')}"


def _step(content: Mapping[str, object]) -> str:
    """`forwarder-stack alb-edge`: the step without its target, which stands before it."""
    kind, _, place = (optional_text(content, "step") or "").partition(" ")
    subject = place.removeprefix(_where(content)).removeprefix("/")
    return f"{kind} {subject}".strip()


def _call(content: Mapping[str, object]) -> str:
    call = content.get("call")
    return f"{call.get('service')}:{call.get('operation')}" if isinstance(call, Mapping) else "?"


def _facts(content: Mapping[str, object]) -> str:
    facts = content.get("facts")
    shown = facts.items() if isinstance(facts, Mapping) else ()
    return _short(", ".join(f"{name} {_value(found)}" for name, found in shown if found not in (None, [], "")))


def _described(content: Mapping[str, object]) -> str:
    """`the gate is open: Modify Lambda (AWS::Lambda::Function), ...`, or why it is not."""
    facts = content.get("facts")
    found: Mapping[str, object] = facts if isinstance(facts, Mapping) else {}
    told = texts(found, "reasons") or texts(found, "told")
    return _short(f"the gate says {found.get('gate')}: {'; '.join(told)}")


def _value(found: object) -> str:
    return ", ".join(map(str, found)) if isinstance(found, list) else str(found)


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
