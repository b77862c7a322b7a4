"""A site with alarms in virtual time: what is reported, what people command, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rules.alarms.detector import name
from rules.alarms.notes import standing_of
from rules.alarms.order import order
from rules.alarms.standing import Standing
from rules.instructions import Instruction, Raise
from rules.manifest.alarm import Alarm, decode
from twins.exchange import Event

KEY = "default/t-1"


def make_alarm(**spec: Any) -> Alarm:
    whole: dict[str, Any] = {
        "inputs": {"t": {"device": "t-*", "property": "t"}},
        "condition": {"input": "t", "operator": ">", "threshold": 80},
        "message": "${device} has ${t}",
    }
    return decode({"metadata": {"name": "hot"}, "spec": whole | spec})


def events(instructions: list[Instruction]) -> list[Event]:
    return [each.event for each in instructions if isinstance(each, Raise)]


def became(instructions: list[Instruction]) -> list[str]:
    return [each.detail["what"] for each in events(instructions) if each.kind == "alarm"]


class Plant:
    """A `Site` of the rules' tests with one alarm, `default/hot`; `device` is `t-1` unless another is named."""

    def __init__(self, site: Any, alarm: Alarm) -> None:
        self.site = site
        self.alarm = alarm
        self.apply(alarm)

    def apply(self, alarm: Alarm) -> list[str]:
        self.alarm = alarm
        return became(self.site._carry_out(self.site.rules.alarms.apply(alarm, "test:1:apply", self.site.now)))

    def report(self, value: float | str, *, device: str = "t-1", name: str = "t") -> list[str]:
        return became(self.site.fact(device, name, value))

    def wait(self, seconds: float) -> list[str]:
        return became(self.site.wait(seconds))

    def command(self, command: str, *, key: str = KEY, **more: Any) -> list[str]:
        """What a person commands. Raises `Rejected`."""
        return became(self.commanded(command, key=key, **more))

    def commanded(self, command: str, *, key: str = KEY, **more: Any) -> list[Instruction]:
        site = self.site
        site.inputs += 1
        cause = f"test:1:{site.inputs}"
        out = site._carry_out(site.rules.catch_up(name(self.alarm.id), key, site.now, cause) + site.rules.changes())
        fact = site.rules.alarms.take(self.alarm.id, key, order(command, **more), cause, site.now)
        return [*out, *site._carry_out(site.rules.handle(fact, site.now) + site.rules.changes())]

    def restart(self) -> None:
        self.site.restart()
        self.apply(self.alarm)

    def standing(self, key: str = KEY) -> Standing:
        return next(each for each in self.site.rules.alarms.standings() if each.key == key)

    @property
    def state(self) -> str:
        return self.standing().state

    def told(self) -> list[Event]:
        """All events of alarms so far."""
        return [each for each in events(self.site.done) if each.kind == "alarm"]

    def last_told(self) -> Standing:
        """How the alarm stands by the last event about it."""
        found = standing_of(self.told()[-1])
        assert found is not None
        return found

    def bring(self, state: str) -> Plant:
        """Bring the alarm of `t-1` into a state by what is reported and commanded."""
        self.report(20)
        for step in {
            "Disabled": ["disable"],
            "Normal": [],
            "Active": ["up"],
            "Acknowledged": ["up", "acknowledge"],
            "SnoozeDisabled": ["snooze"],
            "Latched": ["up", "down"],
        }[state]:
            self.report({"up": 90, "down": 20}[step]) if step in ("up", "down") else self.command(step)
        assert self.state == state
        return self


@pytest.fixture(scope="session")
def alarm() -> Callable[..., Alarm]:
    """Build the alarm `default/hot` from parts of its spec: above 80 of `t` it is raised."""
    return make_alarm


@pytest.fixture
def plant(make_site: Any) -> Callable[..., Plant]:
    """A plant with that alarm."""
    return lambda **spec: Plant(make_site(), make_alarm(**spec))
