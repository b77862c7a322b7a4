"""One case of a rule's tests, played."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from msgspec import Struct

from rules.expression import show
from rules.manifest.detector import Detector
from rules.manifest.form import Scalar
from rules.rehearsal.decision import Decision, Deed, fits, line
from rules.rehearsal.manifest import Case, Expect, Step
from rules.rehearsal.stage import Stage
from rules.rehearsal.story import span, story
from rules.view import InstanceView
from rules.window import find_zone
from twins.duration import microseconds
from twins.errors import Rejected
from twins.instructions import Fact
from twins.values import device_id

_ALL = 1_000_000
"""Instances looked at: all."""
_TOLD = 6
"""Evaluations that explain a failure."""


class Outcome(Struct, frozen=True):
    """What became of a case: `faults` is empty when it holds, `story` says how the rule came to what it did."""

    case: str
    faults: tuple[str, ...] = ()
    story: tuple[str, ...] = ()


def play(case: Case, detectors: Sequence[Detector], zone: str = "UTC") -> Outcome:
    """Play a case to its first step that does not hold. Raises `Rejected` for one that cannot be played."""
    start = _moment(case, zone)
    run = _Run(Stage(detectors, zone, start, waits=True), start)
    for number, step in enumerate(case.steps, 1):
        place = f"step {number}"
        run.play(step, place)
        faults = [f"{place}{run.when()}: {each}" for each in run.faults(step.expect)]
        if faults:
            return Outcome(case.case, tuple(faults), tuple(run.story()))
    return Outcome(case.case)


class _Run:
    def __init__(self, stage: Stage, start: int) -> None:
        self._stage = stage
        self._start = start
        self._made: list[Decision] = []
        self._undone: list[Deed] = []  # deeds that no step has expected yet

    def play(self, step: Step, place: str) -> None:
        stage = self._stage
        self._made = []
        if step.at is not None:
            to = self._start + _length(step.at, f"{place}: at")
            if to < stage.now:
                raise Rejected(f"{place}: at: {step.at} is before the step that comes before it")
            self._made += stage.advance(to)
        if step.restart is not False:
            away = 0 if step.restart is True else _length(step.restart, f"{place}: restart")
            self._made += stage.restart(away)
        for device, values in step.give.items():
            for name, value in values.items():
                self._made += stage.tell(_fact(device, name, value, stage))
        self._undone += [deed for each in self._made for deed in each.deeds]

    def faults(self, expect: Expect) -> Iterator[str]:
        yield from self._states(expect)
        if expect.actions is not None:
            done, self._undone = self._undone, []
            if len(done) != len(expect.actions) or not all(map(fits, expect.actions, done)):
                yield f"actions: expected {_lines(expect.actions)}, got {_lines(done)}"
        chosen = tuple(name for each in self._made for name in each.chosen)
        if expect.chosen is not None and expect.chosen != chosen:
            yield f"chosen: expected {_names(expect.chosen)}, got {_names(chosen)}"

    def story(self) -> Iterator[str]:
        """The last evaluations of the rules, in words."""
        for each in self._stage.story()[-_TOLD:]:
            yield story(each, self._start)

    def when(self) -> str:
        return f", at {span(self._stage.now - self._start)}"

    def _states(self, expect: Expect) -> Iterator[str]:
        for key, wanted in expect.states.items():
            found = self._instance(key, expect)
            state = None if found is None else found.state
            if state != wanted:
                yield f"states.{key}: expected {_or_none(wanted)}, got {_or_none(state)}"
        for key, timers in expect.timers.items():
            found = self._instance(key, expect)
            running = {} if found is None else {n: due - self._stage.now for n, due in found.timers.items()}
            if running != {name: _length(left, f"timers.{key}.{name}") for name, left in timers.items()}:
                yield f"timers.{key}: expected {_timers(timers)}, got {_running(running)}"
        for key, values in expect.values.items():
            found = self._instance(key, expect)
            known = {} if found is None else found.values
            for name, value in values.items():
                if _plain(value) != known.get(name):
                    yield f"values.{key}.{name}: expected {_value(_plain(value))}, got {_value(known.get(name))}"

    def _instance(self, key: str, expect: Expect) -> InstanceView | None:
        wanted = {key, device_id("default", key)}
        found = {
            view.name: each
            for view in self._stage.rules.views(_ALL)
            for each in view.instances
            if each.key in wanted and expect.rule in {"", view.name, view.name.partition("/")[2]}
        }
        if len(found) > 1:
            raise Rejected(f"{key} is an instance of {' and '.join(found)}: name one of them with `rule`")
        return next(iter(found.values()), None)


def _fact(device: str, name: str, value: Scalar, stage: Stage) -> Fact:
    number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    text = show(value if number is None else number)
    full = device if "/" in device else device_id("default", device)
    return Fact(full, f"test:1:{stage.inputs + 1}", name, text, number, stage.now, stage.inputs + 1)


def _moment(case: Case, zone: str) -> int:
    try:
        start = datetime.fromisoformat(case.start)
    except ValueError:
        raise Rejected(f"start: {case.start!r} is no time: write 2026-01-31T22:00:00, with +01:00 or Z") from None
    local = start if start.tzinfo is not None else start.replace(tzinfo=find_zone(zone))
    return round(local.timestamp() * 1e6)


def _length(duration: str | float, place: str) -> int:
    try:
        return microseconds(duration)
    except ValueError as error:
        raise Rejected(f"{place}: {error}") from None


def _plain(value: Scalar | None) -> Scalar | None:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _lines(deeds: Sequence[Deed]) -> str:
    return "; ".join(map(line, deeds)) or "none"


def _names(chosen: Sequence[str]) -> str:
    return ", ".join(chosen) or "none"


def _or_none(state: str | None) -> str:
    return "no instance" if state is None else state


def _timers(timers: dict[str, str | float]) -> str:
    return ", ".join(f"{name} {left}" for name, left in timers.items()) or "none"


def _running(timers: dict[str, int]) -> str:
    return ", ".join(f"{name} {span(left)}" for name, left in timers.items()) or "none"


def _value(value: Scalar | None) -> str:
    return "no value" if value is None else show(value)
