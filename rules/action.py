"""What a rule does: actions, compiled from the manifest. They collect instructions in the turn, no more."""

from __future__ import annotations

from hashlib import blake2b
from typing import Protocol

from rules import detector as manifest
from rules.expression import Expression, Template, Undecided, show
from rules.instructions import Raise
from rules.turn import Turn
from twins.exchange import Event, Severity
from twins.values import device_id


class Action(Protocol):
    """One thing to do. What has no usable value is not done, and is noted."""

    label: str

    def perform(self, turn: Turn) -> None: ...

    def expressions(self) -> list[Expression]: ...


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
    return Clear(action.clear or "", label)


class SetDesired:
    """Ask a desired value of a device."""

    def __init__(self, action: manifest.SetAction, label: str, namespace: str) -> None:
        self.label = label
        self._namespace = namespace
        self._device = Template(action.device)
        self._property = action.property
        self.value = Expression(action.value)

    def perform(self, turn: Turn) -> None:
        try:
            device = self._device.text(turn.scope)
            value = show(self.value.value(turn.scope))
        except Undecided as fault:
            turn.fault(self.label, self.value.source, fault)
            return
        turn.command(device if "/" in device else device_id(self._namespace, device), self._property, value)

    def expressions(self) -> list[Expression]:
        return [*self._device.expressions, self.value]


class Alert:
    """Tell people. The event's id is a digest of cause, instance, device, trigger and number, so a repeat is known."""

    def __init__(self, action: manifest.AlertAction, label: str) -> None:
        self.label = label
        self._message = Template(action.message)
        self._severity: Severity = action.severity
        self._picture = action.picture

    def perform(self, turn: Turn) -> None:
        detail = {"rule": turn.rule, "instance": turn.record.key, "state": turn.record.state, "trigger": turn.trigger}
        detail |= {f"value.{name}": show(value) for name, value in turn.record.values.items()}
        device = turn.record.device
        if self._picture:
            detail["picture"] = device
        seed = f"{turn.cause}|{turn.id}|{device}|{turn.trigger}|{turn.next_alert()}"
        name = blake2b(seed.encode(), digest_size=12).hexdigest()
        message = self._message.rough(turn.scope)
        turn.raise_(Raise(Event(name, turn.now, "alert", device, self._severity, message, turn.cause, detail)))

    def expressions(self) -> list[Expression]:
        return self._message.expressions


class Assign:
    """Change variables, all computed from the values before. A variable keeps the type it began with."""

    def __init__(self, action: dict[str, str], label: str) -> None:
        self.label = label
        self.values = {name: Expression(source) for name, source in action.items()}

    def perform(self, turn: Turn) -> None:
        values = turn.record.values
        changes = {}
        for name, expression in self.values.items():
            try:
                value = expression.value(turn.scope)
                _check_type(name, values[name], value)
            except Undecided as fault:
                turn.fault(self.label, expression.source, fault)
                return
            changes[name] = value
        values.update(changes)

    def expressions(self) -> list[Expression]:
        return list(self.values.values())


class Start:
    """Start a timer, or start it again."""

    def __init__(self, action: manifest.TimerAction, label: str) -> None:
        self.label = label
        self.name = action.name
        self._length = manifest.microseconds(action.length or 0.0)

    def perform(self, turn: Turn) -> None:
        turn.arm(self.name, turn.now + self._length)

    def expressions(self) -> list[Expression]:
        return []


class Clear:
    """Stop a timer."""

    def __init__(self, name: str, label: str) -> None:
        self.label = label
        self.name = name

    def perform(self, turn: Turn) -> None:
        turn.clear(self.name)

    def expressions(self) -> list[Expression]:
        return []


def _check_type(name: str, before: manifest.Scalar, after: manifest.Scalar) -> None:
    if type(before) is not type(after):
        msg = f"{name} is a {_TYPES[type(before)]} and cannot become {after!r}"
        raise Undecided(msg)


_TYPES: dict[type, str] = {bool: "boolean", float: "number", str: "string"}
