"""What an update means for the world outside: facts for rules and history, answers, documents, deltas, orders. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from twins.instructions import Actuate, Answer, Delta, Document, Fact, Instruction, Sides
from twins.property import Change
from twins.stimuli import Edit, Updated
from twins.values import Property, Twin

TEXT = frozenset({"string", "bytes", "stream"})
WEEK_US = 7 * 24 * 3_600_000_000
MINUTE_US = 60_000_000
Changes = Mapping[str, Change]


def facts(s: Updated, changes: Changes) -> list[Instruction]:
    """One fact for each reported value, changed or not, with the time at its source."""
    at = source_time(s.at, s.seen)
    out: list[Instruction] = []
    for name, edit in s.edits.items():
        if edit is None or edit.reported is None or name not in changes:
            continue
        change = changes[name]
        when = at if edit.at is None else source_time(edit.at, s.seen)
        text = change.current.kind in TEXT
        number, changed = change.number, change.reported_changed
        out.append(Fact(s.device, s.cause, name, edit.reported, number, when, s.seq, changed, text))
    return out


def answer(s: Updated, changes: Changes, gone: Mapping[str, Property]) -> list[Instruction]:
    """The answer to whoever asked, with the touched sides of what changed."""
    if s.reply is None:
        return []
    shown: dict[str, Property | None] = {name: c.current for name, c in changes.items()}
    if gone:
        shown.update(dict.fromkeys(gone))
    sides = {name: side_of(edit, c.last is None) for name, c in changes.items() if (edit := s.edits[name]) is not None}
    return [Answer(s.device, s.cause, "update", s.reply, shown, sides)]


def answer_again(twin: Twin, s: Updated) -> list[Instruction]:
    """The answer to a message that was stored before: what its properties are now."""
    if s.reply is None:
        return []
    living = {name: p for name, p in twin.properties.items() if not p.deleted}
    sides = {name: side_of(edit, False) for name, edit in s.edits.items() if edit is not None}
    return [Answer(s.device, s.cause, "update", s.reply, {name: living.get(name) for name in s.edits}, sides)]


def document(
    twin: Twin, cause: str, event: str, changes: Changes, gone: Mapping[str, Property | None]
) -> list[Instruction]:
    """What each changed property was and is."""
    if not changes and not gone:
        return []
    shown: dict[str, tuple[Property | None, Property | None]] = {n: (c.last, c.current) for n, c in changes.items()}
    if gone:
        shown.update({name: (last, None) for name, last in gone.items()})
    return [Document(twin.device, cause, event, shown, twin.short)]


def asked_of(twin: Twin, cause: str, changes: Changes, *, always: bool) -> list[Instruction]:
    """The delta, once per change: when something new is asked, or a device leaves what was asked; or `always`."""
    wanted: dict[str, str] = {}
    left = False
    for name, c in changes.items():
        if not c.current.drifts or c.current.desired is None:
            continue
        if c.desired_changed:
            wanted[name] = c.current.desired.value
        elif c.last is not None and not c.last.drifts:
            left = True
    told = delta(twin, cause) if wanted or left or always else []
    return told + orders(twin, cause, wanted)


def orders(twin: Twin, cause: str, wanted: dict[str, str]) -> list[Instruction]:
    """What is newly desired, for those who talk to the device by other ways than MQTT."""
    return [Actuate(twin.device, cause, wanted)] if wanted else []


def delta(twin: Twin, cause: str) -> list[Instruction]:
    """All that is desired of a device, while something of it is not reported."""
    asked = {n: p for n, p in twin.properties.items() if not p.deleted and p.desired and p.desired.value}
    return [Delta(twin.device, cause, asked, twin.short)] if any(p.drifts for p in asked.values()) else []


def source_time(at: int, seen: int) -> int:
    """The source's own time when it is plausible (a week back, a minute ahead), else that of arrival."""
    return at if seen - WEEK_US <= at <= seen + MINUTE_US else seen


def side_of(edit: Edit, new: bool) -> Sides:
    """Which sides an edit touches; of a `new` property KubeEdge hides those that are empty."""
    reported, desired = edit.reported, edit.observed or edit.desired
    if desired is None or (new and not desired):
        return "none" if reported is None or (new and not reported) else "reported"
    return "desired" if reported is None or (new and not reported) else "both"
