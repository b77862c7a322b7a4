"""Two rules that fight for one twin: both may ask for the same property of one device, and not for the same value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rules.lint.effects import Effects, Write
from rules.lint.fault import Fault


def conflicts(one: Effects, others: Iterable[Effects]) -> Iterator[Fault]:
    """What one rule fights for with others: the first pair of actions of each."""
    for other in others:
        seen: set[str] = set()
        for mine in one.writes:
            theirs = next((each for each in other.writes if mine.place.meets(each.place) and mine.differs(each)), None)
            if theirs is not None and mine.place.property not in seen:
                seen.add(mine.place.property)
                yield Fault(mine.path, _story(mine, other.rule, theirs), "warning")


def _story(mine: Write, other: str, theirs: Write) -> str:
    return (
        f"asks {_asked(mine)}, and {other} {_asked(theirs)} ({theirs.path}): one device may be meant by both, "
        "and the later wins; give one rule the say, or name different devices"
    )


def _asked(write: Write) -> str:
    return f"{write.place} = {write.source if write.value is None else write.value}"
