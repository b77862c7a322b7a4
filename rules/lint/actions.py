"""Actions, as far as they can be looked at without their expressions."""

from __future__ import annotations

from collections.abc import Iterator

from rules.lint.fault import Fault, attempt
from rules.lint.plan import plan
from rules.lint.walk import actions_of, timers
from rules.manifest import action as manifest
from rules.manifest.alarm import PREFIX
from rules.manifest.detector import Detector, microseconds
from twins.duration import microseconds as any_duration
from twins.schema import nearest

LONGEST_CLIP = 5 * 60 * 1_000_000
"""Microseconds before and after that a clip may have: its pictures are in memory until they are kept."""
RESERVED_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "idempotency-key"})
"""Headers of a webhook that are the gateway's own."""


def actions(detector: Detector) -> Iterator[Fault]:
    started = timers(detector)
    for path, action in actions_of(detector):
        if len(action.given) != 1:
            given = ", ".join(action.given) or "none"
            yield Fault(path, f"one of {', '.join(manifest.ACTIONS)} is needed, given: {given}")
            continue
        yield from _modifiers(path, action)
        yield from _inward(path, action, detector, started)
        yield from _outward(path, action)


def _modifiers(path: str, action: manifest.Plain) -> Iterator[Fault]:
    (name,) = action.given
    if action.limit is not None:
        yield from attempt(f"{path}.limit.per", microseconds, action.limit.per)
    if name in manifest.INWARD and (action.limit is not None or action.dry_run):
        yield Fault(path, f"limit and dryRun are for what is done outside; {name} changes the instance alone")


def _inward(path: str, action: manifest.Plain, detector: Detector, started: set[str]) -> Iterator[Fault]:
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


def _outward(path: str, action: manifest.Plain) -> Iterator[Fault]:
    if isinstance(action.set, manifest.AwaitedSet):
        if action.set.within is not None:
            yield from attempt(f"{path}.set.within", microseconds, action.set.within)
        elif action.set.otherwise:
            yield Fault(f"{path}.set.else", "needs within: how long the device may take")
    if action.publish is not None and _is_no_topic(action.publish.topic):
        yield Fault(f"{path}.publish.topic", "is no topic to publish on: no + # and no $ at its start; ask by set")
    if action.webhook is not None:
        yield from attempt(f"{path}.webhook.within", microseconds, action.webhook.within)
        for name in action.webhook.headers:
            if name.lower() in RESERVED_HEADERS:
                yield Fault(f"{path}.webhook.headers.{name}", "is set by the gateway")
    for name in ("clip", "upload"):
        given = getattr(action, name)
        for field in ("before", "after") if given is not None else ():
            yield from _span(f"{path}.{name}.{field}", getattr(given, field), name)


def _span(path: str, duration: str | float, name: str) -> Iterator[Fault]:
    yield from attempt(path, any_duration, duration)
    if name == "clip" and not list(attempt(path, any_duration, duration)) and any_duration(duration) > LONGEST_CLIP:
        yield Fault(path, "a clip has at most 5 minutes before and 5 after")


def _is_no_topic(topic: str) -> bool:
    """As far as that can be seen without its expressions."""
    return "${" not in topic and (topic.startswith("$") or "+" in topic or "#" in topic)
