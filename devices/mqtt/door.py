"""The MQTT door: messages of devices in, answers, documents and deltas out, through one link.

A QoS-1 message is acknowledged to the broker after its commit, so what we have not kept the broker keeps. What is
refused is answered on the device's own topic, counted, and acknowledged: it would be refused again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from devices.mqtt import telemetry
from devices.mqtt.link import Link, Message
from runtime.clock import Clock
from twins.errors import Rejected
from twins.exchange import Outcome
from twins.instructions import Instruction
from twins.kubeedge import Reader, Writer
from twins.stimuli import Stimulus

Done = Callable[[Outcome], None]


class Intake(Protocol):
    """Where stimuli go."""

    def offer_nowait(self, stimuli: Sequence[Stimulus], done: Done | None = None) -> bool:
        """Take them, or say `False` when full. `done` is called after the commit."""
        ...


class DoorCounts(Struct):
    """offered = accepted + refused + overflowed + foreign, exactly."""

    offered: int = 0
    accepted: int = 0
    refused: int = 0
    overflowed: int = 0
    foreign: int = 0


class MqttDoor:
    """Joins a link, the protocol and the intake."""

    def __init__(
        self,
        link: Link,
        reader: Reader,
        writer: Writer,
        intake: Intake,
        clock: Clock,
        next_cause: Callable[[], str],
    ) -> None:
        self.counts = DoorCounts()
        self.link = link
        self._reader = reader
        self._writer = writer
        self._intake = intake
        self._clock = clock
        self._next_cause = next_cause
        self._settled: list[Message] = []

    async def run(self) -> None:
        await self.link.run(self._receive)

    def tell(self, instructions: Sequence[Instruction]) -> None:
        """Publish what a commit announced, then acknowledge the messages it kept."""
        now = self._clock.now()
        write = self._writer.write
        messages = [message for i in instructions for message in write(i, now)]
        if messages:
            self.link.publish(messages)
        if self._settled:
            self.link.acknowledge(self._settled)
            self._settled.clear()

    def _receive(self, message: Message) -> None:
        counts = self.counts
        counts.offered += 1
        now = self._clock.now()
        cause = self._next_cause()
        try:
            stimulus = self._read(message, cause, now)
        except Rejected:
            counts.refused += 1
            self.link.acknowledge([message])
            return
        if stimulus is None:
            counts.foreign += 1
            self.link.acknowledge([message])
            return

        def done(outcome: Outcome) -> None:
            if outcome.refused is None:
                counts.accepted += 1
            else:
                counts.refused += 1
            if message.qos:
                self._settled.append(message)

        if not self._intake.offer_nowait((stimulus,), done):
            counts.overflowed += 1  # QoS 1 stays with the broker, unacknowledged; QoS 0 is gone, and counted

    def _read(self, message: Message, cause: str, now: int) -> Stimulus | None:
        if message.topic.startswith(telemetry.PREFIX):
            return telemetry.read(
                message.topic, message.payload, cause, now, packet=message.packet, duplicate=message.duplicate
            )
        return self._reader.read(
            message.topic, message.payload, cause, now, packet=message.packet, duplicate=message.duplicate
        )
