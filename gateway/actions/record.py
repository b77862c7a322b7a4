"""The record of what rules did: a point for every action, and events for people, which never are a flood. Pure.

The points are the series `NAMESPACE/RULE/$action`: `text` is JSON with id, instance, action, cause and outcome.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from twins.exchange import Event, Point, Severity

PROPERTY = "$action"
"""The series' property: no device can have it."""
MINUTE = 60_000_000
TOLD = 10
"""Actions of one rule that are told one by one in a minute; what is more is counted."""

Ending = Literal["done", "failed", "dropped"]
"""Of what is done outside; the event that tells of it is called `ID:ENDING`."""
Outcome = Literal[Ending, "asked", "refused"]
"""`asked` is what is done in the turn itself, as a desired value; `refused` if it could not be."""


class Done(Struct, frozen=True):
    """What became of an action: `rule` is the instance, `what` the action in words, `why` what there is to say."""

    id: str
    rule: str
    cause: str
    at: int
    what: str
    outcome: Outcome
    why: str = ""
    tries: int = 1

    @property
    def detector(self) -> str:
        """`namespace/name`."""
        namespace, name, *_ = self.rule.split("/", 2)
        return f"{namespace}/{name}"

    @property
    def instance(self) -> str:
        """Its key."""
        return self.rule.split("/", 2)[-1]


def point(done: Done) -> Point:
    """The same action is the same point."""
    text = msgspec.json.encode(_said(done) | {"cause": done.cause}).decode()
    return Point(f"{done.detector}/{PROPERTY}", done.at, number(done.id), None, text)


def number(ident: str) -> int:
    """The id of an action as the `seq` of its points."""
    return int(ident[:15], 16)


class Teller:
    """Makes events of actions: the first of each rule in a minute, all others in one line when the minute is over."""

    def __init__(self) -> None:
        self._minute = 0
        self._told: dict[str, int] = {}
        self._more: dict[str, tuple[int, int]] = {}
        """Per rule how many were done and how many were not, beyond those that were told."""

    def tell(self, done: Done) -> list[Event]:
        rule = done.detector
        count = self._told[rule] = self._told.get(rule, 0) + 1
        if count <= TOLD:
            return [_event(done)]
        good, bad = self._more.get(rule, (0, 0))
        self._more[rule] = (good + 1, bad) if done.outcome == "done" else (good, bad + 1)
        return []

    def due(self, now: int) -> list[Event]:
        """What is to be told at the end of a minute; nothing within it."""
        if 0 <= now - self._minute < MINUTE:
            return []
        self._minute = now
        events = [_sum(rule, good, bad, now) for rule, (good, bad) in self._more.items()]
        self._told.clear()
        self._more.clear()
        return events


def _event(done: Done) -> Event:
    severity: Severity = "info" if done.outcome == "done" else "warning"
    tries = f" after {done.tries} tries" if done.tries > 1 else ""
    why = f": {done.why}" if done.why else ""
    message = f"{done.what} for {done.instance}: {done.outcome}{tries}{why}"
    ident, rule = f"{done.id}:{done.outcome}", done.detector
    return Event(ident, done.at, "action", rule, severity, message, done.cause, _said(done))


def _said(done: Done) -> dict[str, str]:
    said = {"id": done.id, "instance": done.instance, "action": done.what, "outcome": done.outcome}
    return said | {"tries": str(done.tries), "why": done.why}


def _sum(rule: str, good: int, bad: int, now: int) -> Event:
    severity: Severity = "warning" if bad else "info"
    message = f"{good + bad} more actions in the last minute: {good} done, {bad} not"
    return Event(f"{rule}:{now}:actions", now, "action", rule, severity, message)
