"""A site in virtual time: facts go in, timers fall due as time passes, and a disk keeps what the rules want kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rules.instructions import Command, Decided, Drop, Instruction, Keep, Raise, Wake
from rules.late import Start
from rules.manifest.detector import Detector, decode
from rules.rules import Rules
from twins.instructions import Fact

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "rules"


def make_fact(device: str, name: str, value: str | float, cause: str = "test:1:0", at: int = 0) -> Fact:
    number = float(value) if isinstance(value, (int, float)) else None
    return Fact(device, cause, name, str(value), number, at, 0)


def make_detector(name: str = "rule", **spec: Any) -> Detector:
    whole: dict[str, Any] = {"inputs": {"t": {"device": "t-*", "property": "t"}}, "initial": "A", "states": {"A": {}}}
    return decode({"metadata": {"name": name}, "spec": whole | spec})


class Site:
    """The rules with what surrounds them. Times are seconds since `start`; `done` holds all instructions."""

    def __init__(self, zone: str = "UTC", start: int = 0) -> None:
        self.rules = Rules(zone)
        self.zone = zone
        self.now = start
        self.done: list[Instruction] = []
        self.states: dict[str, bytes] = {}
        self.timers: dict[str, tuple[int, bytes]] = {}
        self.inputs = 0

    def apply(self, *detectors: Detector) -> Site:
        for detector in detectors:
            self._carry_out(self.rules.apply(detector, self.now))
        return self

    def fact(self, device: str, name: str, value: str | float) -> list[Instruction]:
        """A fact arrives now."""
        self.inputs += 1
        fact = make_fact(f"default/{device}", name, value, f"test:1:{self.inputs}", self.now)
        return self._carry_out(self.rules.handle(fact, self.now) + self.rules.changes())

    def wait(self, seconds: float) -> list[Instruction]:
        """Let time pass; each timer runs at its deadline."""
        end = self.now + round(seconds * 1e6)
        out: list[Instruction] = []
        while self.timers and (first := min((due, timer) for timer, (due, _) in self.timers.items()))[0] <= end:
            due, timer = first
            self.now = max(self.now, due)
            _, body = self.timers.pop(timer)
            out += self._carry_out(self.rules.expire(timer, self.now, body.decode()) + self.rules.changes())
        self.now = end
        return out

    def restart(self, *detectors: Detector) -> None:
        """The process dies and comes back from disk."""
        self.down(0, *detectors)

    def down(self, seconds: float, *detectors: Detector) -> None:
        """The process dies and comes back from disk after a while."""
        self.rules = Rules(self.zone)
        away = round(seconds * 1e6)
        self.now += away
        self._carry_out(self.rules.restore(dict(self.states), dict(self.timers), Start(self.now, self.now, away)))
        self.apply(*detectors)

    def state(self, key: str = "default/t-1") -> str:
        return next(each.state for view in self.rules.views() for each in view.instances if each.key == key)

    def _carry_out(self, instructions: list[Instruction]) -> list[Instruction]:
        for instruction in instructions:
            match instruction:
                case Keep(key, body):
                    self.states[key] = body
                case Drop(key):
                    del self.states[key]
                case Wake(timer, None):
                    self.timers.pop(timer, None)
                case Wake(timer, due, body):
                    assert due is not None
                    self.timers[timer] = (due, body)
        self.done += instructions
        return instructions


def told(instructions: list[Instruction]) -> list[str]:
    return [each.event.message for each in instructions if isinstance(each, Raise)]


def asked(instructions: list[Instruction]) -> list[tuple[str, dict[str, str]]]:
    return [(each.device, each.values) for each in instructions if isinstance(each, Command)]


def chosen(instructions: list[Instruction]) -> list[str]:
    return [each.name for each in instructions if isinstance(each, Decided)]


class Look:
    """What instructions say, in short."""

    told = staticmethod(told)
    asked = staticmethod(asked)
    chosen = staticmethod(chosen)


@pytest.fixture(scope="session")
def look() -> type[Look]:
    return Look


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture(scope="session")
def make_site() -> type[Site]:
    return Site


@pytest.fixture(scope="session")
def fact() -> Callable[..., Fact]:
    return make_fact


@pytest.fixture(scope="session")
def detector() -> Callable[..., Detector]:
    """Build a detector called `default/rule` from parts of its spec."""
    return make_detector


@pytest.fixture(scope="session")
def example() -> Callable[[str], Detector]:
    """A manifest of the documentation."""
    return lambda name: decode(yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text()), name)
