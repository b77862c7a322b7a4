"""Actions of IoT Events as ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rules.iotevents.model import Action, Actions, SiteWise
from rules.iotevents.report import Report
from rules.iotevents.symbols import Symbols
from rules.iotevents.syntax import Node, Reference
from rules.iotevents.translation import Translation, Untranslatable

_POSTED = {"lambda": "function", "sqs": "queue", "firehose": "stream", "dynamoDB": "table", "dynamoDBv2": "table"}
"""What another service of the cloud did: a webhook can hand it on."""
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
        return [self._outward(action, path, event, write)]

    def _outward(self, action: Action, path: str, event: str, write: Translation) -> Found:
        options = self._symbols.options
        said = self._trees.get(f"{path}.payload.contentExpression")
        payload = None if said is None else write.text(said)
        if action.iot_topic_publish is not None:
            self._plain(payload, path, event)
            topic = write.text(self._trees[f"{path}.mqttTopic"])
            if topic.startswith("$") and not topic.startswith("${"):
                raise Untranslatable(f"{topic} is a topic of AWS IoT's own: set the device's property instead")
            return {"publish": {"topic": topic} | ({} if payload is None else {"payload": payload})}
        if action.sns is not None:
            message = f"{self._model}: {event} (${{device}})" if payload is None else payload
            if options.channel:
                self._report.differs(path, event, f"people are told by the Channel {options.channel}")
                return {"notify": {"channel": options.channel, "message": message}}
            self._report.differs(path, event, "people are told by an alert; --channel NAME sends it by a Channel")
            return {"alert": {"message": message}}
        if action.iot_site_wise is not None:
            return self._point(action.iot_site_wise, path, event, write)
        if action.iot_events is not None:
            raise Untranslatable(
                f"which rule {action.iot_events.input_name} feeds is not in the model: write signal: {{detector, "
                "input, value}, or let that rule watch the same properties"
            )
        return self._posted(action.given[0], payload, path, event)

    def _posted(self, kind: str, payload: str | None, path: str, event: str) -> Found:
        url = self._symbols.options.webhook
        if not url:
            raise Untranslatable(f"there is no {_POSTED[kind]} here: --webhook URL posts it to what hands it on")
        self._plain(payload, path, event)
        self._report.differs(path, event, f"is posted to {url}, which is to hand it on to the {_POSTED[kind]}")
        return {"webhook": {"url": url} | ({} if payload is None else {"body": payload})}

    def _point(self, given: SiteWise, path: str, event: str, write: Translation) -> Found:
        value = self._trees.get(f"{path}.propertyValue.value")
        name = given.property_alias or given.property_id or ""
        words = [word for word in re.split(r"[^\w.-]+", name) if word]
        if value is None or not words or "$" in name:
            raise Untranslatable("its value or the name of its property is not in the model: write it with write")
        self._report.differs(path, event, f"is a point of the rule's own, called {words[-1]}, not one of {name}")
        return {"write": {"property": words[-1], "value": write.cel(value)}}

    def _plain(self, payload: str | None, path: str, event: str) -> None:
        if payload is None:
            self._report.differs(
                path, event, "without a payload all that is known is sent: other JSON than IoT Events'"
            )

    def _named(self, form: str, timer: str) -> list[Found]:
        if timer not in self.started:
            raise Untranslatable(f"nothing sets the timer {timer}")
        return [{form: self._symbols.timers.of(timer)}]
