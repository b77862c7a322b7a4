"""The chain of causes, read off the decisions that are kept: back to the input that began it, and on from there.

What an input led to has its cause, timers that it began too. From one input to the next a chain goes over a device: a
rule asks a value of it, the device reports that value, and a rule decides at that. Bounded: so many `CAUSES`, so many
`STEPS`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from msgspec import Struct

from rules import account
from rules.explain import Effect, Evaluation
from rules.expression import show
from store import decisions
from store.decisions import Kept

CAUSES = 16
STEPS = 200
_REPORTS = 50
"""Decisions at what came of a property, among which the one at the value that was asked is looked for."""


class Link(Struct, frozen=True):
    """An evaluation with its number, 0 if it is in memory only, and that of the one that led to it, 0 for none."""

    id: int
    led_by: int
    evaluation: Evaluation


class Chain:
    """Over one connection that reads."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._causes: dict[str, None] = {}
        self._links: dict[int, Link] = {}

    def of(self, cause: str) -> list[Link]:
        """All links of the chain that this input is part of, in the order in which they were decided."""
        for each, led_by in reversed(self._back(cause)):
            self._descend(each, led_by)  # of a chain that has many branches the asked one is told in any case
        return [self._links[number] for number in sorted(self._links)]

    def _back(self, cause: str) -> list[tuple[str, int]]:
        """The inputs from this one back to that with which it began, each with the number of what led to it."""
        passed: dict[str, int] = {}
        while cause not in passed and len(passed) < CAUSES:
            asker = next((found for each in self._of_cause(cause) if (found := self._asker(*each))), None)
            passed[cause] = 0 if asker is None else asker.id
            if asker is None:
                break
            cause = asker.decision.cause
        return list(passed.items())

    def _asker(self, kept: Kept, evaluation: Evaluation) -> Kept | None:
        """Who asked the device for the value that came, in answer to another input."""
        if not evaluation.source or evaluation.value is None:
            return None
        asker = decisions.asking(self._connection, evaluation.source, kept.id)
        if asker is None or asker.decision.cause == evaluation.cause:
            return None
        asked = account.read(asker.decision)
        wanted = Effect("set", evaluation.source, show(evaluation.value))
        return asker if asked is not None and wanted in asked.effects else None

    def _descend(self, cause: str, led_by: int) -> None:
        """Take what this input led to."""
        if cause in self._causes:
            return
        self._causes[cause] = None
        taken: list[Link] = []
        for kept, evaluation in self._of_cause(cause):
            if len(self._links) >= STEPS:
                return
            link = Link(kept.id, _within(taken, evaluation) or led_by, evaluation)
            taken.append(link)
            self._links[kept.id] = link
        for link in taken:
            for effect in link.evaluation.effects:
                if effect.kind != "set" or len(self._causes) >= CAUSES:
                    continue
                if (answer := self._answer(link.id, effect)) is not None:
                    self._descend(answer, link.id)

    def _answer(self, number: int, wanted: Effect) -> str | None:
        """The cause of the first decision at the value that was asked, while that was what was asked."""
        for kept in decisions.fed_by(self._connection, wanted.target, number, _REPORTS):
            evaluation = account.read(kept.decision)
            if evaluation is None or evaluation.value is None or show(evaluation.value) != wanted.value:
                continue
            asker = decisions.asking(self._connection, wanted.target, kept.id)
            return evaluation.cause if asker is not None and asker.id == number else None
        return None

    def _of_cause(self, cause: str) -> Iterator[tuple[Kept, Evaluation]]:
        for kept in decisions.of_cause(self._connection, cause, STEPS):
            evaluation = account.read(kept.decision)
            if evaluation is not None:
                yield kept, evaluation


def _within(before: list[Link], evaluation: Evaluation) -> int:
    """What of the same input led to this: who began the timer that was due, or asked for the value that came."""
    for link in reversed(before):
        e = link.evaluation
        same = (e.rule, e.key) == (evaluation.rule, evaluation.key)
        for effect in e.effects:
            began = effect.kind == "wake" and same and evaluation.trigger.startswith(f"timer {effect.target}@")
            if began or (effect.kind == "set" and effect.target == evaluation.source):
                return link.id
    return 0
