"""What a manifest says of its timers as a whole."""

from __future__ import annotations

from typing import NamedTuple

from rules.lint.walk import actions_of
from rules.manifest.action import Late
from rules.manifest.detector import Detector


class Plan(NamedTuple):
    """`late` by the timer's name; the names of those whose time counts only while the gateway runs, and of those that
    some action starts again with their last length, which is remembered for that.
    """

    late: dict[str, Late]
    pausing: frozenset[str]
    restarted: frozenset[str]


def plan(detector: Detector) -> Plan:
    do = [action for _, action in actions_of(detector)]
    late = {action.timer.name: action.timer.late for action in do if action.timer is not None}
    pausing = frozenset(name for name, policy in late.items() if policy == "resume")
    return Plan(late, pausing, frozenset(action.restart for action in do if action.restart is not None))
