"""Actions of IoT Events as ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rules.iotevents.model import Action, Actions
from rules.iotevents.report import Report
from rules.iotevents.symbols import Symbols
from rules.iotevents.syntax import Node, Reference
from rules.iotevents.translation import Translation, Untranslatable

_ELSEWHERE = {
    "iotTopicPublish": "nothing is published: let it be done by a device's property, with set",
    "lambda": "no function is run here: let it be done by a device's property, with set, or told by an alert",
    "sqs": "there is no queue here: what is decided is an event and goes to the cloud as such",
    "firehose": "there is no stream here: an Upload brings events and points to object storage",
    "dynamoDB": "there is no such table here: what is decided is kept in the table events",
    "dynamoDBv2": "there is no such table here: what is decided is kept in the table events",
    "iotSiteWise": "there is no such asset here: points are kept in the table points as they are",
    "iotEvents": "one rule does not feed another: let the other rule watch the same properties",
}
"""What is not taken, and what to do."""
Found = dict[str, Any]


class Doing:
    """Translates the actions of one model. `started` are the timers that some action sets."""

    def __init__(self, model: str, symbols: Symbols, trees: Mapping[str, Node], report: Report) -> None:
        self._model = model
        self._symbols = symbols
        self._trees = trees
        self._report = report
        self.started: set[str] = set()

    def translate(self, actions: Actions, path: str, event: str) -> list[Found]:
        """Those that can be said here, in order; the others are in the report."""
        found: list[Found] = []
        for at, action in enumerate(actions):
            kind = action.given[0]
            here = f"{path}[{at}].{kind}"
            try:
                found += self._one(action, here, event)
            except Untranslatable as reason:
                self._report.left(here, event, str(reason))
        return found

    def _one(self, action: Action, path: str, event: str) -> list[Found]:
        write = Translation(self._symbols, lambda how: self._report.differs(path, event, how))
        if action.set_variable is not None:
            variable = Reference("variable", (action.set_variable.variable_name,))
            return [{"assign": self._symbols.assigned(variable, write.cel(self._trees[f"{path}.value"]))}]
        if action.set_timer is not None:
            timer = self._symbols.timers.of(action.set_timer.timer_name)
            if action.set_timer.seconds is not None:
                return [{"timer": {"name": timer, "seconds": action.set_timer.seconds}}]
            length = write.length(self._trees[f"{path}.durationExpression"])
            form = "expression" if isinstance(length, str) else "seconds"
            return [{"timer": {"name": timer, form: length}}]
        for form, given in (("restart", action.reset_timer), ("clear", action.clear_timer)):
            if given is not None:
                return self._named(form, given.timer_name)
        if action.sns is not None:
            said = self._trees.get(f"{path}.payload.contentExpression")
            message = f"{self._model}: {event} (${{device}})" if said is None else write.text(said)
            self._report.differs(path, event, f"people are told by an alert, not by {action.sns.target_arn}")
            return [{"alert": {"message": message}}]
        raise Untranslatable(_ELSEWHERE[action.given[0]])

    def _named(self, form: str, timer: str) -> list[Found]:
        if timer not in self.started:
            raise Untranslatable(f"nothing sets the timer {timer}")
        return [{form: self._symbols.timers.of(timer)}]
