"""Rules that may set each other off: what one asks of a device is an input of the next, and so round again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from rules.lint.effects import Effects, Place, Write
from rules.lint.fault import Fault

Readers = Callable[[Place], Iterable[str]]
"""The rules with an input that may be at a place."""


def loops(one: Effects, known: Callable[[str], Effects], readers: Readers) -> Iterator[Fault]:
    """The shortest loop through one rule by each of its actions, named with all that is in it."""
    told: set[tuple[str, ...]] = set()
    for write in one.writes:
        way = _way(one.rule, write, known, readers)
        names = tuple(name for name, _ in way)
        if way and names not in told:
            told.add(names)
            yield _fault(write, way)


def _way(rule: str, first: Write, known: Callable[[str], Effects], readers: Readers) -> list[tuple[str, Write]]:
    """From a rule by one of its actions back to itself: who asks what, in order; empty when no way leads back."""
    seen = set[str]()
    edge = [[(rule, first)]]
    while edge:
        following: list[list[tuple[str, Write]]] = []
        for way in edge:
            for reader in readers(way[-1][1].place):
                if reader == rule:
                    return way
                if reader not in seen:
                    seen.add(reader)
                    following += [[*way, (reader, write)] for write in known(reader).writes]
        edge = following
    return []


def _fault(write: Write, way: list[tuple[str, Write]]) -> Fault:
    if len(way) == 1:
        reason = f"asks {write.place}, which is an input of this rule too: what it asks for sets it off again"
        return Fault(write.path, reason, "info")
    story = ", ".join(f"{name} asks {each.place}" for name, each in way)
    return Fault(write.path, f"is part of a loop: {story}, and that sets off {way[0][0]} again", "warning")
