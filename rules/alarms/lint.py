"""Look at an alarm before it is applied: every fault with the path of its field in the alarm's own manifest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from rules import lint
from rules.alarms import condition
from rules.alarms.detector import detector
from rules.alarms.variables import PREFIX
from rules.lint.fault import Fault, attempt
from rules.manifest.action import Action
from rules.manifest.alarm import Alarm, Spec
from rules.manifest.detector import Detector, Step, Transition, microseconds
from twins.errors import Rejected

_OWN = f"names that begin with {PREFIX} are the alarm's own"
_STEP = re.compile(r"(spec\.states\.\w+\.\w+\.\w+\[\d+\])\.?(?:do\[(\d+)\])?(.*)")


def check(alarm: Alarm, zone: str = "UTC") -> Detector:
    """The alarm's detector. Raises `Rejected` with all that is wrong; `zone` is the site's."""
    found = faults(alarm, zone)
    if found:
        more = [f"and {len(found) - lint.SHOWN} more"] if len(found) > lint.SHOWN else []
        msg = f"Alarm {alarm.id}: " + "; ".join([*map(str, found[: lint.SHOWN]), *more])
        raise Rejected(msg)
    return detector(alarm)


def faults(alarm: Alarm, zone: str = "UTC") -> list[Fault]:
    """All that is wrong. Expressions and actions are looked at where the detector has them."""
    found = form(alarm)
    if found:
        return found
    made = detector(alarm)
    places = dict(lint.steps(made))
    told = (Fault(_path(alarm.spec, places, each.path), each.reason) for each in lint.faults(made, zone))
    return list(dict.fromkeys(told))


def form(alarm: Alarm) -> list[Fault]:
    """What keeps it from being made a detector."""
    return [*_names(alarm.spec), *_times(alarm.spec), *_latch(alarm.spec), *condition.faults(alarm.spec)]


def place(alarm: Alarm, path: str) -> str:
    """Where a path of the detector of an alarm without faults stands in the alarm."""
    return _path(alarm.spec, dict(lint.steps(detector(alarm))), path)


def _names(spec: Spec) -> Iterator[Fault]:
    for name in spec.inputs:
        if name.startswith(PREFIX):
            yield Fault(f"spec.inputs.{name}", _OWN)
    for where, actions in _actions(spec):
        for at, action in enumerate(actions):
            yield from _action(f"spec.{where}[{at}]", action)


def _action(path: str, action: Action) -> Iterator[Fault]:
    if action.notice is not None:
        yield Fault(f"{path}.notice", "is made by the alarm itself")
    if action.assign is not None:
        yield Fault(f"{path}.assign", "an alarm has no variables to assign to; write a Detector")
    if action.timer is not None and action.timer.name.startswith(PREFIX):
        yield Fault(f"{path}.timer.name", _OWN)
    if action.clear is not None and action.clear.startswith(PREFIX):
        yield Fault(f"{path}.clear", _OWN)


def _times(spec: Spec) -> Iterator[Fault]:
    named = {"for": spec.hold, "clearFor": spec.clear_for, "snooze": spec.snooze, "repeat": spec.repeat}
    named |= {f"escalate[{at}].after": each.after for at, each in enumerate(spec.escalate)}
    if spec.flapping is not None:
        named["flapping.within"] = spec.flapping.within
    wrong = [fault for name, length in named.items() if length is not None for fault in _time(name, length)]
    yield from wrong
    if not wrong:
        lengths = [microseconds(each.after) for each in spec.escalate]
        if any(later <= earlier for earlier, later in pairwise(lengths)):
            yield Fault("spec.escalate", "each must come after the one before it")


def _time(name: str, length: str | float) -> Iterator[Fault]:
    return attempt(f"spec.{name}", microseconds, length)


def _latch(spec: Spec) -> Iterator[Fault]:
    if not spec.acknowledge and spec.latch == "unacknowledged":
        yield Fault("spec.latch", "unacknowledged needs acknowledge: true")
    if not spec.acknowledge and spec.on_acknowledge:
        yield Fault("spec.onAcknowledge", "never runs with acknowledge: false")


def _path(spec: Spec, places: dict[str, Step | Transition], path: str) -> str:
    """Where a fault of the detector stands in the alarm."""
    found = _STEP.fullmatch(path)
    if found is None:
        return path
    step, number, rest = places[found[1]], found[2], found[3]
    if number is None:
        return _side(spec, step.name)
    action = step.do[int(number)]
    if action.notice is not None:
        return "spec.message"
    for where, actions in _actions(spec):
        for at, each in enumerate(actions):
            if each is action:
                return f"spec.{where}[{at}]{rest}"
    return "spec"


def _side(spec: Spec, step: str | None) -> str:
    """Where the expression stands that a step's condition was made of."""
    if spec.condition.when is None:
        return "spec.condition"
    return f"spec.condition.{'clearWhen' if step == 'clear' and spec.condition.clear_when else 'when'}"


def _actions(spec: Spec) -> Iterator[tuple[str, tuple[Action, ...]]]:
    yield "onRaise", spec.on_raise
    yield "onClear", spec.on_clear
    yield "onAcknowledge", spec.on_acknowledge
    yield "onEscalate", spec.on_escalate
    for at, each in enumerate(spec.escalate):
        yield f"escalate[{at}].do", each.do
