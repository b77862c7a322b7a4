"""What rules hear from outside the twins: messages on topics, and JSON that others post."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

import msgspec

from devices.telemetry.grants import Topics
from gateway.core import Core
from gateway.messaging import Plain
from runtime.clock import Clock
from twins.errors import Rejected
from twins.schema import nearest
from twins.stimuli import Heard, Stimulus
from twins.topic import Topic, disjoint

BODY = 64 * 1024
"""Bytes of a message or of what is posted, for rules."""


class Hearing:
    """Stands before the others who read topics, and implements `web.inputs.Inputs`."""

    def __init__(self, others: Plain, core: Core, clock: Clock, next_cause: Callable[[], str]) -> None:
        self._others = others
        self._core = core
        self._clock = clock
        self._next_cause = next_cause
        self._topics: tuple[Topic, ...] = ()

    def rehear(self) -> None:
        """Rules changed: hear what they want now."""
        self._topics = tuple(Topic(each) for each in sorted(self._core.rules.filters))

    @property
    def filters(self) -> frozenset[str]:
        """What to subscribe to, so that each message comes once."""
        wanted = {each.filter for each in self._topics}
        return disjoint(self._others.filters | wanted) if wanted else self._others.filters

    def read(
        self, topic: str, payload: bytes, cause: str, seen: int, *, packet: int = 0, duplicate: bool = False
    ) -> Sequence[Stimulus]:
        """What a message means to the others, and that rules hear it. Raises `Rejected`."""
        words = topic.split("/") if self._topics else []
        if not any(each.match(words) is not None for each in self._topics):
            return self._others.read(topic, payload, cause, seen, packet=packet, duplicate=duplicate)
        stimuli: Sequence[Stimulus] = ()
        with suppress(Rejected):  # what is nothing to the others may be all the same what a rule wants
            stimuli = self._others.read(topic, payload, cause, seen, packet=packet, duplicate=duplicate)
        if stimuli and len(payload) > BODY:
            return stimuli  # too long for rules, and all the same what the others want
        return [*stimuli, Heard("", cause, seen, "topic", topic, _read(payload))]

    def commands(self, device: str, values: Mapping[str, str]) -> Sequence[tuple[str, bytes]]:
        return self._others.commands(device, values)

    def granted(self, device: str, reserved: Collection[str] = ()) -> Topics:
        """As without us: what a rule hears gives no device a right."""
        return self._others.granted(device, reserved)

    async def post(self, name: str, body: bytes) -> str:
        """Let rules hear a webhook; returns the cause after the commit. Raises `Rejected`."""
        known = self._core.rules.webhooks
        if name not in known:
            raise Rejected(f"no rule has a webhook {name[:64]!r} as an input: {nearest(name, known)}", 404)
        if len(body) > BODY:
            raise Rejected(f"the body has {len(body)} bytes: {BODY} are allowed", 413)
        read = _json(body)
        if not isinstance(read, dict):
            raise Rejected('the body is no JSON object such as {"count": 5}')
        cause = self._next_cause()
        outcome = await self._core.ask(Heard("", cause, self._clock.now(), "webhook", name, read))
        if outcome.refused is not None:
            raise Rejected(outcome.refused, outcome.code)
        return cause


def _read(payload: bytes) -> object:
    """JSON, or else the text that it is. Raises `Rejected`."""
    if len(payload) > BODY:
        raise Rejected(f"the message has {len(payload)} bytes: rules hear {BODY} at most")
    try:
        return _json(payload)
    except Rejected:
        return payload.decode("utf-8", "replace")


def _json(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(f"the body is no JSON: {error}") from None
