"""What a manifest says of its timers as a whole."""

from __future__ import annotations

from typing import NamedTuple

from rules.lint.walk import actions_of
from rules.manifest.action import Late
from rules.manifest.detector import Detector


class Plan(NamedTuple):
    """What each timer does when it is `late`, by name; which of them do not `fire` then; which count only while the
    gateway runs; and which some action starts again with their last length, which is remembered for that.
    """

    late: dict[str, Late]
    missed: frozenset[str]
    pausing: frozenset[str]
    restarted: frozenset[str]


def plan(detector: Detector) -> Plan:
    do = [action for _, action in actions_of(detector)]
    late = {action.timer.name: action.timer.late for action in do if action.timer is not None}
    missed = frozenset(name for name, policy in late.items() if policy != "fire")
    pausing = frozenset(name for name, policy in late.items() if policy == "resume")
    return Plan(late, missed, pausing, frozenset(action.restart for action in do if action.restart is not None))
