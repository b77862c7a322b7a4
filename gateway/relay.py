"""Custom messages of KubeEdge's rule router, both ways.

Up: what is published on a topic that a rule of the cloud wants heard, or on one of KubeEdge's fixed topics, is written
with its commit, acknowledged to the broker, and kept until the cloud has read it: in order, within a quota of bytes.
Down: what a rule publishes goes to our broker. A rule gives no device a right: who may publish what is a matter of the
broker alone. Which topics these may be says `gateway/topics.py`.
"""

from __future__ import annotations

import logging
from asyncio import TaskGroup
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from devices.telemetry.grants import Topics
from gateway.committed import Committed
from gateway.core import Core
from gateway.messaging import Plain
from gateway.outbox import Carried, Outbox, Post, row
from gateway.topics import FIXED, LENGTH, fault_of, goes_up
from runtime.clock import Clock
from runtime.mailbox import Mailbox
from twins.errors import Rejected
from twins.exchange import OutboxRow
from twins.stimuli import Queued, Stimulus
from twins.topic import disjoint

logger = logging.getLogger(__name__)

TOPIC = "topic:"
"""Beginning of the key under which a topic that the cloud wants heard is kept."""
NO_TEXT = "KubeEdge's rule router carries text: a custom message has to be UTF-8"


class Routed(Protocol):
    """What the rule router wants."""

    @property
    def operation(self) -> str: ...

    @property
    def topic(self) -> str: ...

    @property
    def payload(self) -> bytes: ...


class Voice(Protocol):
    """Our broker: `Messaging`."""

    def say(self, messages: Sequence[tuple[str, bytes]]) -> None: ...

    def remap(self) -> None: ...


class RelayCounts(Carried):
    """`refused` are wishes of the rule router that are not granted, and messages that it could not carry."""

    published: int = 0
    refused: int = 0


class Relay:
    """Stands before the others who read topics: hears what they hear, and what the cloud wants heard.

    Without `open` it does nothing of its own. It is mute before `speak_by`.
    """

    def __init__(self, others: Plain, core: Core, clock: Clock, next_cause: Callable[[], str]) -> None:
        self.counts = RelayCounts()
        self.topics: frozenset[str] = frozenset()
        self._others = others
        self._core = core
        self._clock = clock
        self._next_cause = next_cause
        self._voice: Voice | None = None
        self._wishes: Mailbox[Routed] = Mailbox("router", 256)
        self._outbox = Outbox(core, clock, self.counts)
        self.backlog = self._outbox.backlog

    def speak_by(self, voice: Voice) -> None:
        """Publish there, and subscribe there: it hears by us, so it is made after us."""
        self._voice = voice

    def open(self, quota: int) -> None:
        """There is a cloud with rules, for which messages of `quota` bytes are kept; 0: there is none."""
        self.backlog.quota = quota
        if self._voice is not None:
            self._voice.remap()

    def restore(self, rows: Sequence[OutboxRow]) -> None:
        """Take up what was kept over a restart."""
        self.topics = frozenset(row.key.removeprefix(TOPIC) for row in rows if row.kind == "topic")
        self._outbox.keep(row for row in rows if row.kind == "message")

    @property
    def filters(self) -> frozenset[str]:
        """What to subscribe to, so that each message comes once."""
        return disjoint(self._others.filters | FIXED | self.topics) if self.backlog.quota else self._others.filters

    def read(
        self, topic: str, payload: bytes, cause: str, seen: int, *, packet: int = 0, duplicate: bool = False
    ) -> Sequence[Stimulus]:
        """What a message means to the others, and that the cloud must have it. Raises `Rejected`."""
        if not self.backlog.quota or not goes_up(topic, self.topics):
            return self._others.read(topic, payload, cause, seen, packet=packet, duplicate=duplicate)
        stimuli: Sequence[Stimulus] = ()
        with suppress(Rejected):  # what is nothing to the others may be all the same what a rule wants
            stimuli = self._others.read(topic, payload, cause, seen, packet=packet, duplicate=duplicate)
        if not _is_text(payload):
            if not stimuli:
                raise Rejected(NO_TEXT)
            self.counts.refused += 1
            logger.warning("not sent to the cloud from %s: %s", topic[:LENGTH], NO_TEXT)
            return stimuli  # what a rule of the cloud wants takes nothing from the edge
        return [*stimuli, Queued("", cause, seen, {cause: row(cause, "message", (topic, payload), cause)})]

    def commands(self, device: str, values: Mapping[str, str]) -> Sequence[tuple[str, bytes]]:
        return self._others.commands(device, values)

    def granted(self, device: str, reserved: Collection[str] = ()) -> Topics:
        """As without us: what a rule wants heard gives no device a right."""
        return self._others.granted(device, reserved)

    def route(self, wish: Routed) -> None:
        """Take what the rule router wants; never waits."""
        if fault := fault_of(wish.topic):
            self._refuse(wish, fault)
        elif wish.operation == "publish":
            if self._voice is not None:
                self._voice.say([(wish.topic, wish.payload)])
                self.counts.published += 1
        elif not self._wishes.offer_nowait(wish):
            self._refuse(wish, "too many wait")

    def tell(self, committed: Committed) -> None:
        """Take up what was committed: messages to carry, and topics to hear."""
        self._outbox.keep(row for row in committed.queued.values() if row is not None and row.kind == "message")
        topics = {key.removeprefix(TOPIC): row for key, row in committed.queued.items() if key.startswith(TOPIC)}
        if topics:
            self._rehear(topics)

    async def run(self, post: Post) -> None:
        """Carry messages up and wishes in, until cancelled."""
        async with TaskGroup() as group:
            group.create_task(self._outbox.run(post), name="relay.up")
            group.create_task(self._listen(), name="relay.topics")

    async def _listen(self) -> None:
        while True:
            (wish,) = await self._wishes.take(1)
            wanted, key, cause = wish.operation == "subscribe", TOPIC + wish.topic, self._next_cause()
            if (wish.topic in self.topics) != wanted:
                row = OutboxRow(key, "topic", "", 0, b"", cause) if wanted else None
                with suppress(TimeoutError):  # it is taken, only late
                    await self._core.ask(Queued("", cause, self._clock.now(), {key: row}))

    def _rehear(self, topics: Mapping[str, OutboxRow | None]) -> None:
        """Hear these, and those of `None` no more."""
        self.topics = (self.topics - topics.keys()) | {topic for topic, row in topics.items() if row is not None}
        if self._voice is not None:
            self._voice.remap()

    def _refuse(self, wish: Routed, fault: str) -> None:
        self.counts.refused += 1
        logger.warning("the rule router wants to %s %s: %s", wish.operation, wish.topic[:LENGTH], fault)


def _is_text(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
