"""What is done outside, after the commit: messages, calls of devices and web servers, notices to people."""

from __future__ import annotations

from rules.actions.desired import full_name
from rules.actions.knowledge import knowledge
from rules.expression import Expression, Template, Undecided, show
from rules.manifest import action as manifest
from rules.tasks import Call, Notify, Post, Publish
from rules.turn import Turn
from twins.duration import microseconds

LONGEST_TOPIC = 1024
"""Characters of a topic."""


class PublishMessage:
    """Publish a message at the broker."""

    def __init__(self, action: manifest.PublishAction, label: str) -> None:
        self.label = label
        self._action = action
        self._topic = Template(action.topic)
        self._payload = None if action.payload is None else Template(action.payload)

    def perform(self, turn: Turn) -> None:
        try:
            topic = self._topic.text(turn.scope)
            _check_topic(topic)
            payload = knowledge(turn) if self._payload is None else self._payload.text(turn.scope)
        except Undecided as fault:
            turn.fault(self.label, self._topic.source, fault)
            return
        turn.act(Publish(topic, payload, self._action.qos, self._action.retain))

    def expressions(self) -> list[Expression]:
        return [*self._topic.expressions, *(self._payload.expressions if self._payload is not None else ())]


class CallMethod:
    """Call a method of a device."""

    def __init__(self, action: manifest.CallAction, label: str, namespace: str) -> None:
        self.label = label
        self._namespace = namespace
        self._device = Template(action.device)
        self._method = action.method
        self._arguments = {name: Expression(source) for name, source in action.arguments.items()}

    def perform(self, turn: Turn) -> None:
        try:
            device = full_name(self._device.text(turn.scope), self._namespace)
            arguments = {name: show(each.value(turn.scope)) for name, each in self._arguments.items()}
        except Undecided as fault:
            turn.fault(self.label, self._device.source, fault)
            return
        turn.act(Call(device, self._method, arguments))

    def expressions(self) -> list[Expression]:
        return [*self._device.expressions, *self._arguments.values()]


class CallWeb:
    """Call a web server."""

    def __init__(self, action: manifest.WebhookAction, label: str) -> None:
        self.label = label
        self._action = action
        self._body = None if action.body is None else Template(action.body)
        self._within = microseconds(action.within)

    def perform(self, turn: Turn) -> None:
        given, signature = self._action, self._action.signature
        try:
            body = knowledge(turn) if self._body is None else self._body.text(turn.scope)
        except Undecided as fault:
            turn.fault(self.label, given.body or "", fault)
            return
        signed = ("", "") if signature is None else (signature.key_file, signature.header)
        until = turn.now + self._within
        turn.act(Post(given.url, given.method, given.headers, body, until, *signed, given.ca_file or ""))

    def expressions(self) -> list[Expression]:
        return [] if self._body is None else self._body.expressions


class NotifyPeople:
    """Send a message to people by a channel."""

    def __init__(self, action: manifest.NotifyAction, label: str, namespace: str) -> None:
        self.label = label
        self._channel = full_name(action.channel, namespace)
        self._severity = action.severity
        self._message = Template(action.message)

    def perform(self, turn: Turn) -> None:
        title = f"{turn.rule}: {turn.record.state}"
        turn.act(Notify(self._channel, self._severity, title, self._message.rough(turn.scope)))

    def expressions(self) -> list[Expression]:
        return self._message.expressions


def _check_topic(topic: str) -> None:
    if not 0 < len(topic) <= LONGEST_TOPIC or topic.startswith("$") or any(each in topic for each in "+#\0"):
        msg = f"{topic[:80]!r} is no topic to publish on: 1 to {LONGEST_TOPIC} characters, no + # and no $ at its start"
        raise Undecided(msg)
