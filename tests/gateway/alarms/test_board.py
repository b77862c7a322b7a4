"""The board: alarms that matter first, the worst before the others, and none that is gone."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.alarms.board import Board
from rules.alarms.order import order
from rules.instructions import Instruction, Raise
from rules.manifest.alarm import decode
from rules.rules import Rules
from twins.errors import Rejected
from twins.instructions import Fact

SECOND = 1_000_000


class Floor:
    """Rules with alarms, and a board that hears of their events."""

    def __init__(self) -> None:
        self.rules = Rules()
        self.board = Board(self.rules.alarms)
        self.now = 0

    def alarm(self, name: str, **spec: Any) -> None:
        whole = {
            "inputs": {"t": {"property": "t"}},
            "condition": {"input": "t", "threshold": 80},
            "message": "${device}",
            **spec,
        }
        self.tell(self.rules.alarms.apply(decode({"metadata": {"name": name}, "spec": whole}), "test:1:0", self.now))

    def report(self, device: str, value: float) -> None:
        self.now += SECOND
        cause = f"test:1:{self.now}"
        self.tell(self.rules.handle(Fact(f"default/{device}", cause, "t", str(value), value, self.now, 0), self.now))

    def command(self, name: str, device: str, command: str) -> None:
        self.now += SECOND
        cause = f"test:1:{self.now}"
        given = order(command, who="anna")
        fact = self.rules.alarms.take(f"default/{name}", f"default/{device}", given, cause, self.now)
        self.tell(self.rules.handle(fact, self.now))

    def tell(self, decided: list[Instruction]) -> None:
        self.board.note(each.event for each in decided if isinstance(each, Raise))

    def shown(self, *args: Any, **more: Any) -> list[tuple[str, str, str]]:
        return [(view.alarm[8:], view.key[8:], view.state) for view in self.board.views(*args, **more)]


@pytest.fixture
def floor() -> Floor:
    floor = Floor()
    floor.alarm("hot", severity="warning")
    floor.alarm("fire", condition={"input": "t", "threshold": 200}, severity="error")
    for device, value in (("a", 20), ("b", 90), ("c", 300), ("d", 90)):
        floor.report(device, value)
    floor.command("hot", "d", "acknowledge")
    floor.command("hot", "a", "disable")
    return floor


WORST_FIRST = [
    ("fire", "c", "Active"),
    ("hot", "c", "Active"),
    ("hot", "b", "Active"),
    ("hot", "d", "Acknowledged"),
    ("hot", "a", "Disabled"),
]


def test_those_that_matter_are_shown_the_worst_first_then_the_newest(floor):
    assert floor.shown() == WORST_FIRST
    assert floor.board.views()[0].commands == ("acknowledge", "snooze", "disable", "reset")


def test_those_that_are_well_come_last_and_only_when_they_are_asked_for(floor):
    assert floor.shown(well=True) == [*WORST_FIRST, *(("fire", device, "Normal") for device in "abd")]
    assert floor.shown("Normal", 2, well=True) == [("fire", "a", "Normal"), ("fire", "b", "Normal")]
    assert floor.shown("Active", 1) == WORST_FIRST[:1]


def test_an_alarm_that_is_well_again_leaves_and_so_does_one_whose_manifest_is_deleted(floor):
    floor.report("b", 20)
    assert ("hot", "b", "Active") not in floor.shown()
    floor.tell(floor.rules.alarms.remove("default/hot", "test:1:9", floor.now))
    assert floor.shown() == [("fire", "c", "Active")]


def test_after_a_restart_the_board_is_as_it_was(floor):
    again = Board(floor.rules.alarms)
    assert list(again.views()) == []
    again.restore()
    assert again.views() == floor.board.views()


def test_those_that_matter_are_counted(floor):
    assert {name: value for name, _, value in floor.board.gauges() if value} == {
        "alarms_active": 3,
        "alarms_acknowledged": 1,
    }


def test_a_state_that_there_is_not_is_refused_with_the_nearest(floor):
    with pytest.raises(Rejected, match="did you mean Active"):
        floor.board.views("Activ")
