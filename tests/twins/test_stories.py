"""What the machines of `test_convergence.py` found once, played again each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.twins.test_convergence import Convergence, OrderedConvergence

Step = Callable[[Convergence], None]


def says(**edits: dict[str, Any] | None) -> Step:
    return lambda m: m.the_device_speaks(edits=edits, bad=None, short=False)


def asks(value: str | None) -> Step:
    return lambda m: m.the_cloud_asks(name="text", value=value)


def comes(m: Convergence) -> None:
    m.an_object_comes(pick=0, stays=False, killed=False)


def reports(m: Convergence) -> None:
    m.the_edge_reports(arrives=True)


def answered(pick: int) -> Step:
    return lambda m: m.an_answer_comes(pick=pick, stays=False)


def replaced(m: Convergence) -> None:
    assert isinstance(m, OrderedConvergence)
    m.the_cloud_removes_or_makes_the_device(again=True, soon=True)


ONE, TWO = {"actual": 0}, {"actual": 1}
STORIES: dict[str, tuple[type[Convergence], tuple[Step, ...]]] = {
    "an answer comes to a report of an earlier device of the name": (
        OrderedConvergence,
        (says(text=ONE), reports, replaced, says(text=TWO), answered(0)),
    ),
    "an old answer comes after a newer one": (
        Convergence,
        (says(text=ONE), reports, says(text=TWO), reports, answered(1), answered(0)),
    ),
    "a wish is taken back and comes again while the property is deleted": (
        Convergence,
        (asks("1"), comes, says(text=None), asks(None), comes, asks("1"), comes),
    ),
    "the manifest changes elsewhere after a property with a wish was deleted": (
        Convergence,
        (asks("1"), comes, says(text=None), lambda m: m.the_cloud_asks(name="level", value="1"), comes),
    ),
    "the cloud's wish overtakes a report of the edge's": (
        Convergence,
        (says(text={"expected": 1}), lambda m: m.the_edge_reports(arrives=False), asks("1"), comes),
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_a_story(story: str) -> None:
    machine, steps = STORIES[story]
    m = machine()
    for step in steps:
        step(m)
        m.every_change_is_on_disk()
        m.the_twin_is_what_was_said_and_merged()
        m.versions_count_every_change_and_never_go_back()
    m.teardown()
