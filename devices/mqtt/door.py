"""The MQTT door: messages of devices in, answers, documents and deltas out, through one link.

A QoS-1 message is acknowledged to the broker after its commit, so what we have not kept the broker keeps. What is
refused is answered on the device's own topic, counted, and acknowledged: it would be refused again.

There is room for `ROOM` messages that are not answered yet, and none while the oldest of them has waited for `SOON`, so
that what is taken is answered soon, whatever is offered and however slow the machine; an answer counts until the broker
has it, and a message of many moments or kilobytes counts as many. Without room a QoS-0 message is gone, and counted; a
QoS-1 message is held until there is room, for the broker would not send it again while the link lives; how many, its
window bounds.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from devices.mqtt import telemetry
from devices.mqtt.link import Link, Message
from devices.mqtt.refusals import Note, Refusals, Why
from runtime.clock import Clock
from twins.errors import Rejected
from twins.exchange import Outcome
from twins.instructions import Instruction
from twins.kubeedge import Reader, Writer
from twins.stimuli import Stimulus

logger = logging.getLogger(__name__)

Done = Callable[[Outcome], None]

ROOM = 4096
"""Messages that may be on their way: about a third of a second's work on a fast machine."""
PIECE = 16 * 1024
"""Bytes of a message that count as one more: what is on its way fits into the memory whatever its size."""
SOON = 300_000
"""Microseconds in which what was taken should be committed."""
LOOK = 0.01
"""Seconds between two looks whether there is room for what is held."""
DRAIN = 2.0
"""Seconds that what was taken gets to be answered when the door closes."""


class Intake(Protocol):
    """Where stimuli go."""

    def offer_nowait(self, stimuli: Sequence[Stimulus], done: Done | None = None) -> bool:
        """Take them, or say `False` when full. `done` is called after the commit."""
        ...


class Mapped(Protocol):
    """What messages on topics that are not our own mean."""

    def read(
        self, topic: str, payload: bytes, cause: str, seen: int, *, packet: int = 0, duplicate: bool = False
    ) -> Sequence[Stimulus]:
        """The stimuli of a message, none when nobody wants it. Raises `Rejected`."""
        ...


class DoorCounts(Struct):
    """offered = accepted + refused + overflowed + foreign, exactly, once everything that was taken is committed."""

    offered: int = 0
    accepted: int = 0
    refused: int = 0
    overflowed: int = 0
    foreign: int = 0


class MqttDoor:
    """Joins a link, the protocol and the intake. `note` hears of telemetry that is refused: it has no other answer."""

    def __init__(
        self,
        link: Link,
        reader: Reader,
        writer: Writer,
        intake: Intake,
        clock: Clock,
        next_cause: Callable[[], str],
        note: Note | None = None,
        mapped: Mapped | None = None,
    ) -> None:
        self.counts = DoorCounts()
        self.refusals = Refusals(clock, note)
        self.link = link
        self._reader = reader
        self._writer = writer
        self._intake = intake
        self._clock = clock
        self._next_cause = next_cause
        self._mapped = mapped
        self._held: deque[tuple[Sequence[Stimulus], int, Done]] = deque()
        self._settled: list[Message] = []
        self._open = 0
        self._since: deque[int] = deque()
        self._holds = asyncio.Event()
        self._closing = False

    async def run(self) -> None:
        """Until cancelled; then nothing more is taken, and the link stays until what was taken is answered."""
        async with asyncio.TaskGroup() as group:
            link = group.create_task(self.link.run(self._receive), name="mqtt.link")
            helpers = (
                group.create_task(self.refusals.run(), name="mqtt.refusals"),
                group.create_task(self._release(), name="mqtt.held"),
            )
            try:
                await asyncio.wait({link})
            finally:
                self._closing = True
                await self._answered()
                for task in (link, *helpers):
                    task.cancel()

    def tell(self, instructions: Sequence[Instruction]) -> None:
        """Publish what a commit announced, acknowledge the messages it kept, and take what waited for room."""
        now = self._clock.now()
        write = self._writer.write
        messages = [message for i in instructions for message in write(i, now)]
        if messages:
            self.link.publish(messages)
        if self._settled:
            self.link.acknowledge(self._settled)
            self._settled.clear()
        self._take_held()

    @property
    def unanswered(self) -> int:
        """Messages that were taken, or are held, and are not committed yet."""
        return self._open + len(self._held)

    def _receive(self, message: Message) -> None:
        counts = self.counts
        if self._closing and message.qos:
            return  # the broker keeps it for the next start
        counts.offered += 1
        stimuli = self._stimuli(message)
        if not stimuli:
            self.link.acknowledge([message])
            return
        weight = len(stimuli) + len(message.payload) // PIECE

        def done(outcome: Outcome) -> None:
            self._open -= weight
            self._since.popleft()
            if outcome.refused is None:
                counts.accepted += 1
            else:
                self._refused(message.topic, "device", outcome.refused)
            if message.qos:
                self._settled.append(message)

        late = self._since and stimuli[0].seen - self._since[0] > SOON
        if not late and not self._held and not self._closing and self._offer(stimuli, weight, done):
            return
        if message.qos:
            self._held.append((stimuli, weight, done))
            self._holds.set()
        else:
            counts.overflowed += 1

    def _stimuli(self, message: Message) -> Sequence[Stimulus]:
        """What a message means; nothing, counted, when it goes no further."""
        try:
            stimuli = self._read(message)
        except Rejected as error:
            self._refused(message.topic, "topic" if isinstance(error, telemetry.NoDevice) else "body", error.reason)
            return ()
        except Exception:  # a message that we fail to read must not come again and silence every device
            logger.exception("%s: could not be read; please report this", message.topic)
            self.counts.refused += 1
            return ()
        self.counts.foreign += not stimuli
        return stimuli

    def _refused(self, topic: str, why: Why, reason: str) -> None:
        self.counts.refused += 1
        if not topic.startswith("$"):  # all others have an answer
            self.refusals.add(topic, why, reason)

    def _offer(self, stimuli: Sequence[Stimulus], weight: int, done: Done) -> bool:
        """Hand it on; an update has two answers, so what the broker has not confirmed counts half."""
        if self._open + self.link.waiting // 2 >= ROOM or not self._intake.offer_nowait(stimuli, done):
            return False
        self._open += weight
        self._since.append(stimuli[0].seen)
        return True

    def _take_held(self) -> None:
        while self._held and self._offer(*self._held[0]):
            self._held.popleft()

    async def _release(self) -> None:
        """Take what is held also when no commit comes by: what was in the way may have been answers alone."""
        while True:
            await self._holds.wait()
            self._holds.clear()
            while self._held:
                await self._clock.sleep(LOOK)
                self._take_held()

    def _read(self, message: Message) -> Sequence[Stimulus]:
        topic, payload, packet, duplicate = message.topic, message.payload, message.packet, message.duplicate
        cause, now = self._next_cause(), self._clock.now()
        if topic.startswith("$"):
            stimulus = self._reader.read(topic, payload, cause, now, packet=packet, duplicate=duplicate)
            if stimulus is not None:
                return (stimulus,)
        elif topic.startswith(telemetry.ROOT):
            return (telemetry.read(topic, payload, cause, now, packet=packet, duplicate=duplicate),)
        if self._mapped is None:
            return ()
        return self._mapped.read(topic, payload, cause, now, packet=packet, duplicate=duplicate)

    async def _answered(self) -> None:
        try:
            async with asyncio.timeout(DRAIN):
                while self.link.connected and (self.unanswered or self.link.waiting):
                    await self._clock.sleep(0.01)
        except TimeoutError:
            logger.warning("%d messages were not answered within %g s; they come again", self.unanswered, DRAIN)
