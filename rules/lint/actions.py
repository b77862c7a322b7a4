"""Actions, as far as they can be looked at without their expressions."""

from __future__ import annotations

from collections.abc import Iterator

from rules.lint.fault import Fault, attempt
from rules.lint.walk import steps, timers
from rules.manifest import action as manifest
from rules.manifest.alarm import PREFIX
from rules.manifest.detector import Detector, microseconds
from twins.schema import nearest


def actions(detector: Detector) -> Iterator[Fault]:
    started = timers(detector)
    for path, step in steps(detector):
        for at, action in enumerate(step.do):
            yield from _action(f"{path}.do[{at}]", action, detector, started)


def _action(path: str, action: manifest.Action, detector: Detector, started: set[str]) -> Iterator[Fault]:
    if len(action.given) != 1:
        given = ", ".join(action.given) or "none"
        yield Fault(path, f"one of {', '.join(manifest.Action.__struct_fields__)} is needed, given: {given}")
        return
    if action.notice is not None and not detector.metadata.name.startswith(PREFIX):
        yield Fault(f"{path}.notice", "is made by kind: Alarm; in a detector, write alert")
    for name in action.assign or {}:
        if name not in detector.spec.variables:
            yield Fault(f"{path}.assign.{name}", f"is no variable; {nearest(name, detector.spec.variables)}")
    if action.clear is not None and action.clear not in started:
        yield Fault(f"{path}.clear", f"no action starts the timer {action.clear!r}; {nearest(action.clear, started)}")
    if action.timer is not None:
        if (action.timer.seconds is None) == (action.timer.after is None):
            yield Fault(f"{path}.timer", "either seconds or after is needed")
        else:
            yield from attempt(f"{path}.timer", microseconds, action.timer.length)
