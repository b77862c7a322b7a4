"""Every action there is: the one that a manifest names, compiled."""

from __future__ import annotations

from collections.abc import Callable

from rules.actions.action import Action
from rules.actions.alert import Alert
from rules.actions.desired import SetDesired
from rules.actions.guard import DryRun, Limited
from rules.actions.notice import Notice
from rules.actions.outward import CallMethod, CallWeb, NotifyPeople, PublishMessage
from rules.actions.recorded import KeepClip, RunModel, StartUpload, WritePoint
from rules.actions.signals import SendSignal
from rules.actions.timers import Clear, Restart, Start
from rules.actions.variables import Assign
from rules.manifest import action as manifest


def compile_action(action: manifest.Plain, label: str, namespace: str, *, dry: bool = False) -> Action:
    """`label` is where it stands in the manifest; `dry` that nothing outside is to be done.

    Raises `Rejected` for a bad expression.
    """
    made = _bare(action, label, namespace, dry=dry)
    (name,) = action.given
    if (dry or action.dry_run) and name not in manifest.INWARD:
        made = DryRun(made)
    return made if action.limit is None else Limited(made, action.limit, f"{name} ({label})")


def awaited(action: Action) -> SetDesired | None:
    """The `set` beneath what guards it; `None` for other actions."""
    while isinstance(action, (DryRun, Limited)):
        action = action.action
    return action if isinstance(action, SetDesired) else None


def _bare(action: manifest.Plain, label: str, namespace: str, *, dry: bool) -> Action:
    (name,) = action.given
    given = getattr(action, name)
    if name in _LOCAL:
        return _LOCAL[name](given, label)
    if name in _NAMED:
        return _NAMED[name](given, label, namespace)
    others = given.otherwise if isinstance(given, manifest.AwaitedSet) else ()
    otherwise = [compile_action(each, f"{label}.set.else[{at}]", namespace, dry=dry) for at, each in enumerate(others)]
    return SetDesired(given, label, namespace, otherwise)


_LOCAL: dict[str, Callable[..., Action]] = {
    "alert": Alert,
    "assign": Assign,
    "timer": Start,
    "clear": Clear,
    "restart": Restart,
    "notice": Notice,
    "publish": PublishMessage,
    "webhook": CallWeb,
    "write": WritePoint,
}
_NAMED: dict[str, Callable[..., Action]] = {
    "call": CallMethod,
    "notify": NotifyPeople,
    "clip": KeepClip,
    "upload": StartUpload,
    "infer": RunModel,
    "signal": SendSignal,
}
"""Those that name something of the rule's namespace."""
