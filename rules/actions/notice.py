"""Say what became of an alarm: an event of the kind `alarm`, and what its variables tell of it from then on."""

from __future__ import annotations

from msgspec import structs

from rules.alarms import notes, variables
from rules.alarms.order import Order, read
from rules.alarms.standing import standing
from rules.alarms.variables import INPUT
from rules.expression import Expression, Template, show
from rules.instructions import Raise
from rules.manifest import action as manifest
from rules.manifest.alarm import PREFIX
from rules.turn import Turn
from rules.view import instance
from twins.bound import LONGEST_TEXT


class Notice:
    """An event of the kind `alarm` about the instance, `namespace/name/key`, and what is noted of it.

    Who gave the command, and why, are kept until it is raised again. A command may set how long it snoozes.
    """

    def __init__(self, action: manifest.NoticeAction, label: str) -> None:
        self.label = label
        self._what = action.what
        self._state = action.state
        self._message = Template(action.message or "")

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
            turn.arm(variables.SNOOZE, order.length)
        self._tell(turn, order)

    def expressions(self) -> list[Expression]:
        return self._message.expressions

    def _tell(self, turn: Turn, order: Order | None) -> None:
        """The alarm as it is once it has come into its new state."""
        record = turn.record
        since = record.since if record.state == self._state else turn.now
        now = structs.replace(instance(record, turn.now - turn.steady), state=self._state, since=since)
        each = standing(turn.rule.replace(PREFIX, "", 1), now)
        if self._state != "SnoozeDisabled":
            each = structs.replace(each, until=0)
        more = {"trigger": turn.trigger, "command": "" if order is None else order.command}
        more |= {
            f"value.{name}": show(value)
            for name, value in record.values.items()
            if not name.startswith(variables.PREFIX)
        }
        seed = f"{turn.cause}|{turn.id}|{turn.trigger}"
        said = self._said(turn, order)
        turn.out.append(Raise(notes.note(each, self._what, said, seed=seed, cause=turn.cause, now=turn.now, more=more)))

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
