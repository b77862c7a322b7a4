"""Every action there is: the one that a manifest names, compiled."""

from __future__ import annotations

from rules.actions.action import Action
from rules.actions.alert import Alert
from rules.actions.desired import SetDesired
from rules.actions.notice import Notice
from rules.actions.timers import Clear, Restart, Start
from rules.actions.variables import Assign
from rules.manifest import action as manifest


def compile_action(action: manifest.Action, label: str, namespace: str) -> Action:
    """`label` is where it stands in the manifest. Raises `Rejected` for a bad expression."""
    if action.set is not None:
        return SetDesired(action.set, label, namespace)
    if action.alert is not None:
        return Alert(action.alert, label)
    if action.assign is not None:
        return Assign(action.assign, label)
    if action.timer is not None:
        return Start(action.timer, label)
    if action.restart is not None:
        return Restart(action.restart, label)
    if action.notice is not None:
        return Notice(action.notice, label)
    return Clear(action.clear or "", label)
