"""The fast link: MQTT 5 over asyncio's `Protocol` and the sans-I/O codec `mqtt5`.

A `_Connection` dies with its socket; `FastLink` makes the next one. What must survive a connection (unconfirmed
publishes, the outgoing queue) belongs to the link.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection, Sequence
from typing import Protocol, cast

import mqtt5

from devices.mqtt.link import Hearing, LinkConfig, LinkCounts, Message, Outgoing, Patience, Receive, check_granted
from runtime.clock import Clock
from twins.errors import Unavailable

_QOS1 = mqtt5.QoS.AT_LEAST_ONCE
_ONCE = mqtt5.RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS
"""Retained messages come with a new session alone: at each start they would overwrite newer values."""


class FastLink:
    """A link to an MQTT 5 broker. See `devices.mqtt.link.Link` for the contract."""

    def __init__(self, config: LinkConfig, subscriptions: Sequence[str], clock: Clock) -> None:
        self.counts = LinkCounts()
        self._config = config
        self._subscriptions = tuple(subscriptions)
        self._clock = clock
        self._outgoing = Outgoing(config.outgoing_limit, self.counts)
        self._unconfirmed: dict[int, tuple[str, bytes]] = {}
        self._hearing = Hearing()
        self._asked: dict[int, list[str]] = {}
        self._packet = 0
        self._epoch = 0
        self._connection: _Connection | None = None

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

    def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
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
        async with asyncio.timeout(config.connect_timeout):
            _, self._connection = await loop.create_connection(
                lambda: _Connection(config, self._epoch, receive, self._confirmed, self._answered, self.counts),
                config.host,
                config.port,
                ssl=config.tls,
            )
            granted = await self._connection.handshake(self._subscriptions)
        self.counts.connects += 1
        self._repeat(self._connection, granted)
        self._asked.clear()
        self._hearing.connected(resumed=granted.session_present)
        self._ask()
        self._send_waiting()

    def _repeat(self, connection: _Connection, granted: mqtt5.ConnAckPacket) -> None:
        """Send again what the last connection did not confirm; what this one has no room for waits its turn."""
        connection.window = min(granted.receive_max, self._config.receive_maximum)
        connection.limit = min(granted.max_packet_size or self._config.packet_limit, self._config.packet_limit)
        unconfirmed = list(self._unconfirmed.items())
        self._unconfirmed = dict(unconfirmed[: connection.window])
        self._outgoing.again(message for _, message in unconfirmed[connection.window :])
        again = granted.session_present
        connection.write([_publish(*message, packet, duplicate=again) for packet, message in self._unconfirmed.items()])

    def _ask(self) -> None:
        """Tell the broker what changed of what we hear."""
        connection = self._connection
        assert connection is not None  # asked only when connected
        new, gone = self._hearing.news()
        for topics, write in ((new, _subscribe), (gone, _unsubscribe)):
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
            unconfirmed[packet] = message
            frames.append(_publish(*message, packet))
        self.counts.published += len(frames)
        connection.write(frames)

    def _confirmed(self, packets: Sequence[int]) -> None:
        for packet in packets:
            if self._unconfirmed.pop(packet, None) is not None:
                self.counts.confirmed += 1
        if self._outgoing:
            self._send_waiting()

    def _next_packet(self) -> int:
        packet = self._packet
        while True:
            packet = packet % 65_535 + 1
            if packet not in self._unconfirmed and packet not in self._asked:
                self._packet = packet
                return packet


class _Connection(asyncio.BufferedProtocol):
    """One connection, used once."""

    def __init__(
        self, config: LinkConfig, epoch: int, receive: Receive, confirm: _Confirm, answer: _Answer, counts: LinkCounts
    ) -> None:
        loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.reason = "closed by us"
        self.window = 0
        self.limit = 0
        self.paused = False
        self._config = config
        self._loop = loop
        self._epoch = epoch
        self._receive = receive
        self._confirm = confirm
        self._answer = answer
        self._counts = counts
        self._hello: asyncio.Future[mqtt5.ConnAckPacket] = loop.create_future()
        self._granted: asyncio.Future[mqtt5.SubAckPacket] = loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray(256 * 1024)
        self._filled = 0
        self._out: list[bytes] = []
        self._heard = loop.time()
        self._keepalive = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def handshake(self, subscriptions: Sequence[str]) -> mqtt5.ConnAckPacket:
        """Introduce ourselves and subscribe; what the broker grants. `Unavailable` when it refuses."""
        config = self._config
        connect = mqtt5.ConnectPacket(
            config.client_id,
            username=config.username,
            password=None if config.password is None else config.password.encode(),
            clean_start=False,
            keep_alive=config.keepalive,
            session_expiry_interval=config.session_expiry,
            receive_max=config.receive_maximum,
            max_packet_size=config.packet_limit,
        )
        self.write([connect.write()])
        hello = await self._hello
        if hello.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
            msg = f"the broker refuses us: {hello.reason_code.name}; check [broker] user and password_file"
            raise Unavailable(msg)
        self.write([_subscribe(1, subscriptions)])
        granted = await self._granted
        check_granted(subscriptions, [int(code) for code in granted.reason_codes])
        self._keepalive = float(hello.server_keep_alive or config.keepalive)
        self._watch()
        return hello

    def write(self, frames: Sequence[bytes]) -> None:
        """Send soon: all frames of one turn of the loop leave in one write."""
        if not frames or self._transport is None:
            return
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.extend(frames)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._flush()
            self._transport.close()

    # -- asyncio's side --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # uvloop has a class of its own
        self._transport = transport
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None or self.reason == "closed by us":
            self.reason = str(exc) if exc is not None else "connection closed"
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        for future in (self._hello, self._granted):
            if not future.done():
                future.set_exception(ConnectionError(f"the link broke before the broker answered: {self.reason}"))
                future.exception()
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self._confirm(())

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._filled == len(self._buffer):
            self._buffer = self._buffer + bytearray(len(self._buffer))  # a new one: the old may still be lent out
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._heard = self._loop.time()
        self._filled += nbytes
        view = memoryview(self._buffer)[: self._filled]
        start = 0
        confirmed: list[int] = []
        try:
            while start < self._filled:
                try:
                    packet, size = mqtt5.read(view[start:])
                except IndexError:  # the rest has not come yet
                    if self._filled - start > self._config.packet_limit:
                        self._abort(f"the broker sends a packet of more than {self._config.packet_limit} bytes")
                    break
                start += size
                self._take(packet, confirmed)
        except ValueError as error:
            self._abort(f"the broker sent what is no MQTT 5: {error}")
        view.release()
        if start:
            rest = self._filled - start
            self._buffer[:rest] = self._buffer[start : self._filled]
            self._filled = rest
        if confirmed:
            self._confirm(confirmed)

    # -- packets ---------------------------------------------------------------------------------------------------

    def _take(self, packet: mqtt5.Packet, confirmed: list[int]) -> None:
        match packet:
            case mqtt5.PublishPacket():
                self._counts.received += 1
                self._receive(
                    Message(
                        packet.topic,
                        packet.payload,
                        int(packet.qos),
                        packet.packet_id or 0,
                        packet.duplicate,
                        self._epoch,
                    )
                )
            case mqtt5.PubAckPacket():
                confirmed.append(packet.packet_id)
            case mqtt5.ConnAckPacket():
                if not self._hello.done():
                    self._hello.set_result(packet)
            case mqtt5.SubAckPacket():
                if not self._granted.done():
                    self._granted.set_result(packet)
                else:
                    self._answer(packet)
            case mqtt5.UnsubAckPacket():
                self._answer(packet)
            case mqtt5.DisconnectPacket():
                self._abort(f"the broker ended the link: {packet.reason_code.name}")
            case _:
                pass

    def _watch(self) -> None:
        """Ping when quiet; give up a link that stays silent for one and a half keepalives."""
        quiet = self._loop.time() - self._heard
        if quiet > self._keepalive * 1.5:
            self._abort(f"the broker has been silent for {quiet:.0f} s")
            return
        self.write([mqtt5.PingReqPacket().write()])
        self._timer = self._loop.call_later(self._keepalive / 2, self._watch)

    def _abort(self, reason: str) -> None:
        self.reason = reason
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
        self._out.clear()


class _Confirm(Protocol):
    """`(packets) -> None`: these publishes are confirmed."""

    def __call__(self, packets: Sequence[int]) -> None: ...


class _Answer(Protocol):
    """`(packet) -> None`: the broker has answered a subscription, or an unsubscription."""

    def __call__(self, answer: mqtt5.SubAckPacket | mqtt5.UnsubAckPacket, /) -> None: ...


def _subscribe(packet: int, topics: Sequence[str]) -> bytes:
    filters = [mqtt5.TopicFilter(t, max_qos=_QOS1, no_local=True, retain_handling=_ONCE) for t in topics]
    return mqtt5.SubscribePacket(packet, filters).write()


def _unsubscribe(packet: int, topics: Sequence[str]) -> bytes:
    return mqtt5.UnsubscribePacket(packet, list(topics)).write()


def _publish(topic: str, payload: bytes, packet: int, *, duplicate: bool = False) -> bytes:
    return mqtt5.PublishPacket(topic, payload, qos=_QOS1, packet_id=packet, duplicate=duplicate).write()
