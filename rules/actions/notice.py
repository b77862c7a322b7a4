"""Say what became of an alarm: an event of the kind `alarm`, and what its variables tell of it from then on."""

from __future__ import annotations

from hashlib import blake2b

from rules.alarms import variables
from rules.alarms.order import Order, read
from rules.alarms.variables import INPUT
from rules.expression import Expression, Template, show
from rules.instructions import Raise
from rules.manifest import action as manifest
from rules.manifest.alarm import PREFIX
from rules.turn import Turn
from twins.bound import LONGEST_TEXT
from twins.exchange import Event, Severity

_LOUD = frozenset({"raised", "escalated", "reminded"})


class Notice:
    """An event of the kind `alarm` about the instance, `namespace/name/key`, and what is noted of it.

    Who gave the command, and why, are kept until it is raised again. A command may set how long it snoozes.
    """

    def __init__(self, action: manifest.NoticeAction, label: str) -> None:
        self.label = label
        self._what = action.what
        self._state = action.state
        self._message = Template(action.message)

    def perform(self, turn: Turn) -> None:
        values = turn.record.values
        order = read(str(values.get(INPUT, ""))) if turn.scope.input == INPUT else None
        if self._what == "raised":
            values[variables.MESSAGE] = self._message.rough(turn.scope)[:LONGEST_TEXT]
            values[variables.RAISED] = float(turn.now)
            values[variables.CAUSE] = turn.cause[:LONGEST_TEXT]
            values[variables.WHO] = values[variables.NOTE] = ""
        elif order is not None:
            values[variables.WHO], values[variables.NOTE] = order.who, order.note
        if self._what == "snoozed" and order is not None and order.length:
            turn.arm(variables.SNOOZE, turn.now + order.length)
        turn.raise_(Raise(self._event(turn, order)))

    def expressions(self) -> list[Expression]:
        return self._message.expressions

    def _event(self, turn: Turn, order: Order | None) -> Event:
        values, key, alarm = turn.record.values, turn.record.key, turn.rule.replace(PREFIX, "", 1)
        severity: Severity = "info"
        if self._what in _LOUD:
            severity = variables.severity(values)
        detail = {"alarm": alarm, "key": key, "what": self._what, "state": self._state, "device": turn.record.device}
        detail |= {"trigger": turn.trigger, "raised": str(int(float(values[variables.RAISED])))}
        detail |= {"count": show(values[variables.COUNT])}
        if order is not None:
            detail |= {"command": order.command, "who": order.who, "note": order.note}
        detail |= {f"value.{name}": show(value) for name, value in values.items() if not name.startswith("alarm_")}
        seed = f"{turn.cause}|{turn.id}|{self._what}|{turn.trigger}|{turn.next_alert()}"
        name = blake2b(seed.encode(), digest_size=12).hexdigest()
        said = self._said(turn, order)
        return Event(name, turn.now, "alarm", f"{alarm}/{key}", severity, said, turn.cause, detail)

    def _said(self, turn: Turn, order: Order | None) -> str:
        told = str(turn.record.values[variables.MESSAGE])
        by = f" by {order.who}" if order is not None and order.who else ""
        note = f" ({order.note})" if order is not None and order.note else ""
        match self._what:
            case "raised":
                return self._message.rough(turn.scope)
            case "cleared":
                return f"over: {told}"
            case "escalated":
                return f"nobody has acknowledged: {told}"
            case "reminded":
                return f"still: {told}"
            case "acknowledged" | "reset":
                return f"{self._what}{by}{note}: {told}"
            case _:
                return f"{turn.record.key}: {self._what}{by}{note}"
