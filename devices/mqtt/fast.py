"""The fast link: MQTT 5 over asyncio's `Protocol` and the sans-I/O codec `mqtt5`.

A `Connection` dies with its socket; `FastLink` makes the next one. What must survive a connection (unconfirmed
publishes, the outgoing queue) belongs to the link.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

import mqtt5

from devices.mqtt.connection import Connection
from devices.mqtt.link import (
    Hearing,
    Letter,
    LinkConfig,
    LinkCounts,
    Message,
    Outgoing,
    Patience,
    Receive,
    Sendable,
    presence,
    settle,
)
from devices.mqtt.packets import frame, publish, subscribe, unsubscribe
from runtime.clock import Clock
from twins.errors import Unavailable


class FastLink:
    """A link to an MQTT 5 broker. See `devices.mqtt.link.Link` for the contract."""

    def __init__(self, config: LinkConfig, subscriptions: Sequence[str], clock: Clock) -> None:
        self.counts = LinkCounts()
        self._config = config
        self._subscriptions = tuple(subscriptions)
        self._clock = clock
        self._outgoing = Outgoing(config.outgoing_limit, self.counts)
        self._unconfirmed: dict[int, Sendable] = {}
        self._hearing = Hearing()
        self._asked: dict[int, list[str]] = {}
        self._packet = 0
        self._epoch = 0
        self._connection: Connection | None = None

    @property
    def connected(self) -> bool:
        return self._connection is not None and self._connection.window > 0

    @property
    def waiting(self) -> int:
        return len(self._outgoing) + len(self._unconfirmed)

    async def run(self, receive: Receive) -> None:
        config = self._config
        patience = Patience(f"broker {config.host}:{config.port}", self._clock)
        while True:
            try:
                await self._connect(receive)
                assert self._connection is not None  # just made
                patience.begun()
                await self._connection.closed
                reason = self._connection.reason
            except (OSError, TimeoutError, Unavailable) as error:
                reason = str(error) or "it does not answer"
            finally:
                if self._connection is not None:
                    self._connection.close()
                    self._connection = None
            await patience.wait(reason)

    def hear(self, topics: Collection[str]) -> None:
        self._hearing.want(topics)
        if self.connected:
            self._ask()

    def publish(self, messages: Sequence[Sendable]) -> None:
        self._outgoing.add(messages)
        self._send_waiting()

    def acknowledge(self, messages: Sequence[Message]) -> None:
        connection = self._connection
        if connection is None:
            return
        packets = [m.packet for m in messages if m.qos and m.epoch == self._epoch]
        self.counts.acknowledged += len(packets)
        connection.write([mqtt5.PubAckPacket(packet).write() for packet in packets])

    async def _connect(self, receive: Receive) -> None:
        """Make a connection; messages may come, and be acknowledged, before its handshake is over."""
        config = self._config
        loop = asyncio.get_running_loop()
        self._epoch += 1
        at = self._clock.now() // 1000
        async with asyncio.timeout(config.connect_timeout):
            _, self._connection = await loop.create_connection(
                lambda: Connection(config, self._epoch, receive, self._confirmed, self._answered, self.counts),
                config.host,
                config.port,
                ssl=config.tls,
            )
            granted = await self._connection.handshake(self._subscriptions, at)
        self.counts.connects += 1
        if config.presence:
            here = presence(online=True, at=at)
            self._connection.write([publish(config.presence, here, self._next_packet(), retain=True)])
        self._repeat(self._connection, granted)
        self._asked.clear()
        self._hearing.connected(resumed=granted.session_present)
        self._ask()
        self._send_waiting()

    def _repeat(self, connection: Connection, granted: mqtt5.ConnAckPacket) -> None:
        """Send again what the last connection did not confirm; what this one has no room for waits its turn."""
        connection.window = min(granted.receive_max, self._config.receive_maximum)
        connection.limit = min(granted.max_packet_size or self._config.packet_limit, self._config.packet_limit)
        unconfirmed = list(self._unconfirmed.items())
        self._unconfirmed = dict(unconfirmed[: connection.window])
        self._outgoing.again(message for _, message in unconfirmed[connection.window :])
        again = granted.session_present
        connection.write([frame(message, packet, duplicate=again) for packet, message in self._unconfirmed.items()])

    def _ask(self) -> None:
        """Tell the broker what changed of what we hear."""
        connection = self._connection
        assert connection is not None  # asked only when connected
        new, gone = self._hearing.news()
        for topics, write in ((new, subscribe), (gone, unsubscribe)):
            if topics:
                packet = self._next_packet()
                self._asked[packet] = topics
                connection.write([write(packet, topics)])

    def _answered(self, answer: mqtt5.SubAckPacket | mqtt5.UnsubAckPacket) -> None:
        topics = self._asked.pop(answer.packet_id, [])
        if isinstance(answer, mqtt5.SubAckPacket):
            self._hearing.granted(topics, [int(code) for code in answer.reason_codes])
        else:
            self._hearing.freed(topics)

    def _send_waiting(self) -> None:
        connection = self._connection
        if connection is None or connection.paused:
            return
        frames = []
        unconfirmed = self._unconfirmed
        while len(unconfirmed) < connection.window and (message := self._outgoing.take(connection.limit)) is not None:
            packet = self._next_packet()
            frames.append(frame(message, packet))
            if type(message) is Letter and not message.qos:
                settle(message, sent=True)
            else:
                unconfirmed[packet] = message
        self.counts.published += len(frames)
        connection.write(frames)

    def _confirmed(self, packets: Sequence[int]) -> None:
        for packet in packets:
            if (message := self._unconfirmed.pop(packet, None)) is not None:
                self.counts.confirmed += 1
                settle(message, sent=True)
        if self._outgoing:
            self._send_waiting()

    def _next_packet(self) -> int:
        packet = self._packet
        while True:
            packet = packet % 65_535 + 1
            if packet not in self._unconfirmed and packet not in self._asked:
                self._packet = packet
                return packet
