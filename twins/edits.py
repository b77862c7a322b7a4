"""What the edits of one message do to a twin: all of them or none. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from twins.errors import Rejected
from twins.property import Change, Terms, deleted, edited, size, source_time
from twins.stimuli import Updated
from twins.values import PROPERTIES, TEXT, Property, Twin

SHORT = 64
"""Characters of a reported value up to which nobody asks what the others have: all short ones are no burden."""


def touched(
    twin: Twin, s: Updated, *, strict: bool, heartbeat: int
) -> tuple[dict[str, Change], dict[str, Property | None]]:
    """What is changed and what is deleted, with what is not there where EdgeCore tells of that too."""
    changes: dict[str, Change] = {}
    gone: dict[str, Property | None] = {}
    long: list[Change] = []
    withdraws = s.origin == "edge" and not strict
    terms = Terms(s.seen, source_time(s.at, s.seen), strict, heartbeat, withdraws)
    properties, declared = twin.properties, twin.declared
    new = 0
    for name, edit in s.edits.items():
        last = properties.get(name)
        if edit is not None:
            if last is None and len(properties) + new >= PROPERTIES:
                raise Rejected(f"{s.device} has {PROPERTIES} properties already, as many as a twin may have")
            change = edited(name, last, edit, declared.get(name), terms)
            if change is not None:
                changes[name] = change
                new += last is None
                if edit.desired or edit.observed or (edit.reported is not None and len(edit.reported) > SHORT):
                    long.append(change)
        elif last is None or last.deleted:
            if strict:
                gone[name] = last
        elif last.optional:
            gone[name] = last
        elif not strict:
            reason = f"{name} is not optional: it can't be deleted"
            raise Rejected(reason, 409)
    if long:
        _check_room(twin, long)
    return changes, gone


def take(twin: Twin, s: Updated, changes: Mapping[str, Change], gone: Mapping[str, Property | None]) -> None:
    """Make the twin what `touched` said."""
    properties = twin.properties
    for name, change in changes.items():
        properties[name] = change.current
    for name, last in gone.items():
        if last is not None and not last.deleted:
            properties[name] = deleted(last, s.seen)
    if s.reply is not None and s.reply.short:
        twin.short = True


def _check_room(twin: Twin, changes: list[Change]) -> None:
    """Raise `Rejected` when the values of a twin would grow beyond the text it may have."""
    grows = sum(size(c.current) - (0 if c.last is None else size(c.last)) for c in changes)
    if grows > 0 and (text := grows + sum(map(size, twin.properties.values()))) > TEXT:
        raise Rejected(f"the values of {twin.device} would have {text} characters, more than the {TEXT} of a twin")
