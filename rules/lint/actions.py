"""Actions, as far as they can be looked at without their expressions."""

from __future__ import annotations

from collections.abc import Iterator

from rules.lint.fault import Fault, attempt
from rules.lint.plan import plan
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
    for field, timer in (("clear", action.clear), ("restart", action.restart)):
        if timer is not None and timer not in started:
            yield Fault(f"{path}.{field}", f"no action starts the timer {timer!r}; {nearest(timer, started)}")
    if action.timer is not None:
        yield from _timer(f"{path}.timer", action.timer, detector)


def _timer(path: str, timer: manifest.TimerAction, detector: Detector) -> Iterator[Fault]:
    if [timer.seconds, timer.after, timer.expression].count(None) != 2:
        yield Fault(path, "one of seconds, after and expression is needed")
    elif timer.length is not None:
        yield from attempt(path, microseconds, timer.length)
    if plan(detector).late[timer.name] != timer.late:
        yield Fault(f"{path}.late", f"another action starts {timer.name!r} with another policy; give all the same")
