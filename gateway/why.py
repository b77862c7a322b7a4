"""Answers to *why*: the chain of causes in words and numbers, with what became of what was wanted."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection
from typing import get_args

from msgspec import Struct

from gateway.actions.record import Ending
from gateway.chain import Chain, Link
from gateway.console import reasons
from rules.explain import Effect, Evaluation, Verdict
from rules.rules import Rules
from rules.values import said
from store import decisions, records
from twins.errors import Rejected
from twins.exchange import Event
from twins.twin import Twins
from twins.values import Value, device_id
from web.why import ConditionView, EffectView, StepView, WhyView

_CAUSE = re.compile(r"[a-z][a-z_-]*:\d+:\d+")


class _Found(Struct, frozen=True):
    """What is on disk of it: the links of its chain, the events that were told with them, and by the ids of actions
    what came of those.
    """

    about: str
    cause: str
    links: Sequence[Link] = ()
    events: Sequence[Event] = ()
    outcomes: Mapping[str, str] = {}


class Why:
    """Implements `web.why.Reasons`, over `state.db` at `file` and what the rules remember."""

    def __init__(self, file: Path, twins: Twins, rules: Rules) -> None:
        self._file = file
        self._twins = twins
        self._rules = rules

    async def why(self, event: str) -> WhyView:
        found = await asyncio.to_thread(self._find, event, self._property(event))
        kept = [link.evaluation for link in found.links]
        idle = [each for each in self._rules.why(found.cause) if not each.effects and each not in kept]
        links = [*found.links, *(Link(0, 0, each) for each in idle)]
        places = {link.id: place for place, link in enumerate(links) if link.id}
        steps = tuple(self._step(link, places.get(link.led_by, -1), found) for link in links)
        return WhyView(found.about, found.cause, steps)

    def _property(self, text: str) -> tuple[str, Value] | None:
        """The property that is meant, `device/property` with or without a namespace, and what is desired of it."""
        first, _, rest = text.partition("/")
        second, _, third = rest.partition("/")
        for device, name in ((device_id(first, second), third), (device_id("default", first), rest)):
            twin = self._twins.get(device) if name else None
            if twin is not None and name in twin.properties:
                desired = twin.properties[name].desired
                if desired is None:
                    raise Rejected(f"nothing was ever asked of {device}/{name}: what it reports is its own", 404)
                return f"{device}/{name}", desired
        return None

    def _find(self, asked: str, wanted: tuple[str, Value] | None) -> _Found:
        """In a thread. Raises `Rejected` (404)."""
        with closing(records.reader(self._file)) as connection:
            connection.execute("BEGIN")  # one state of the disk
            about, cause = _meaning(connection, asked, wanted)
            links = Chain(connection).of(cause) if cause else []
            told = [event for link in links for event in records.told(connection, link.evaluation.at)]
            came = dict(_outcomes(connection, links))
            found = _Found(about, cause, links, [event for event in told if event.cause], came)
        if not links and about == cause and not self._rules.why(cause):
            raise Rejected(f"nothing is known of {cause}: no rule decided at it, or that is no longer kept", 404)
        return found

    def _step(self, link: Link, led_by: int, found: _Found) -> StepView:
        e = link.evaluation
        events = [event for event in found.events if event.cause == e.cause and event.at == e.at]
        return StepView(
            led_by,
            e.cause == found.cause,
            e.at,
            e.cause,
            e.rule,
            e.key,
            e.trigger,
            e.source,
            e.value,
            e.topic,
            _came(e),
            e.before,
            e.after,
            e.chosen,
            tuple(map(_condition, e.verdicts)),
            tuple(self._effect(e, each, events, found.outcomes) for each in e.effects if not _spent(e, each)),
        )

    def _effect(self, e: Evaluation, each: Effect, events: Sequence[Event], outcomes: Mapping[str, str]) -> EffectView:
        became = ""
        if each.kind == "set":
            became = _refusal(e, each, events) or self._answered(e, each)
        elif each.kind == "do":
            became = outcomes.get(each.id, "")
        elif each.kind == "wake" and self._rules.pending(e.rule, e.key, each.target) == each.at:
            became = "waits"
        return EffectView(each.kind, each.target, each.value, each.id, each.at, became, reasons.wish(each, e.at))

    def _answered(self, e: Evaluation, each: Effect) -> str:
        """What the device made of it, as far as its twin tells now."""
        device, name = _halves(each.target)
        twin = self._twins.get(device)
        p = None if twin is None else twin.properties.get(name)
        if p is None or p.desired is None:
            return "asked no more"
        if p.desired.at > e.at or p.desired.value != each.value:
            return f"asked anew {_time(p.desired.at)}: {p.desired.value}"
        if p.drifts:
            return "not reported yet"
        return "reported"


def _outcomes(connection: Connection, links: Sequence[Link]) -> Iterator[tuple[str, str]]:
    """What came of the actions that were done outside, as far as it was told of each."""
    for each in (effect for link in links for effect in link.evaluation.effects if effect.kind == "do"):
        for outcome in get_args(Ending):
            if records.event(connection, f"{each.id}:{outcome}") is not None:
                yield each.id, outcome


def _meaning(connection: Connection, asked: str, wanted: tuple[str, Value] | None) -> tuple[str, str]:
    """What the question is about, in words, and the input behind it; that is empty where it is no input of ours."""
    if wanted is not None:
        return _asker(connection, *wanted)
    event = records.event(connection, asked)
    if event is not None:
        return f"{event.kind} of {event.object}, {_time(event.at)}: {event.message}", event.cause
    if _CAUSE.fullmatch(asked):
        return asked, asked
    reason = f"{asked} is no event, no cause (as mqtt:1:14) and no property (as pump-1/speed): `gemelo events` has ids"
    raise Rejected(reason, 404)


def _asker(connection: Connection, target: str, desired: Value) -> tuple[str, str]:
    """Who desired the value of `target` that holds: a decision of that very moment, or no rule."""
    found = decisions.asking(connection, target)
    about = f"{target} = {desired.value}, asked {_time(desired.at)}"
    if found is not None and found.decision.at == desired.at:
        return f"{about} by rule {found.decision.rule}", found.decision.cause
    return f"{about} by no rule, or by one whose decision is no longer kept", ""


def _came(e: Evaluation) -> str:
    """What it was that was evaluated."""
    if not e.source:
        return reasons.came(e)
    return f"{e.source} came without a usable value" if e.value is None else f"{e.source} = {said(e.value)}"


def _spent(e: Evaluation, each: Effect) -> bool:
    """True of the timer that was due: that it is no more goes without saying."""
    return each.kind == "clear" and e.trigger.startswith(f"timer {each.target}@")


def _condition(verdict: Verdict) -> ConditionView:
    return ConditionView(verdict.source, verdict.holds, verdict.fault, dict(verdict.given), reasons.condition(verdict))


def _refusal(e: Evaluation, each: Effect, events: Sequence[Event]) -> str:
    """Why a device's twin did not take it, if it did not."""
    device = _halves(each.target)[0]
    refused = f"{e.cause}:{e.rule}/{e.key}:{device}:refused"
    return next((f"refused: {event.message}" for event in events if event.id == refused), "")


def _halves(target: str) -> tuple[str, str]:
    """Device and property; the property may hold slashes itself."""
    namespace, name, rest = target.split("/", 2)
    return device_id(namespace, name), rest


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6, UTC).isoformat(" ", "milliseconds").replace("+00:00", "Z")
