"""Loops of rules over time: a rule sets a value, the device reports it, and that makes a rule set a value. Pure.

A chain is the row of rules whose commands led to each other. It goes on where a device reports what a rule has just
asked of it, and within a turn from each command to what that sets off. It grows without harm while it is slow; one that
grows by more than `RATE` in a second is cut.
"""

from __future__ import annotations

from collections import OrderedDict

from msgspec import Struct

RATE = 20.0
"""Links of one chain in a second, in the long run and at once."""
KEPT = 4096
"""Chains that are followed at once; beyond, the one that rested longest is forgotten."""
NAMED = 12
"""Rules that a chain names: the last ones."""


class Chain(Struct, frozen=True):
    """`rules` are detectors in the order of their commands; `level` is how fast it grew up to `at`, microseconds."""

    rules: tuple[str, ...] = ()
    level: float = 0.0
    at: int = 0

    def __str__(self) -> str:
        return " → ".join(self.rules)


START = Chain()


class Chains:
    """What commands led to, by the device and the property that they asked for."""

    def __init__(self) -> None:
        self._asked: OrderedDict[tuple[str, str], Chain] = OrderedDict()

    def of(self, device: str, name: str) -> Chain:
        """The chain that a report goes on with."""
        return self._asked.get((device, name), START) if self._asked else START

    def note(self, device: str, name: str, chain: Chain) -> None:
        """A command of this chain asked for it."""
        self._asked[device, name] = chain
        self._asked.move_to_end((device, name))
        if len(self._asked) > KEPT:
            self._asked.popitem(last=False)


def longer(chain: Chain, rule: str, now: int) -> Chain:
    """The chain with one more command; one that had come to rest begins anew. See `runs_away`."""
    level = max(0.0, chain.level - RATE * max(0, now - chain.at) / 1e6)
    rules = chain.rules if level else ()
    return Chain((*rules[1 - NAMED :], rule), level + 1.0, max(now, chain.at))


def runs_away(chain: Chain) -> bool:
    """True for one that grows too fast: it is to be cut."""
    return chain.level > RATE
