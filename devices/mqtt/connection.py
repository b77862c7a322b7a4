"""One connection of the fast link: bytes to packets and back over asyncio's `Protocol`. It dies with its socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Protocol, cast

import mqtt5

from devices.mqtt.link import LinkConfig, LinkCounts, Message, Receive, check_granted
from devices.mqtt.packets import connect, subscribe
from twins.errors import Unavailable


class Confirm(Protocol):
    """`(packets) -> None`: these publishes are confirmed."""

    def __call__(self, packets: Sequence[int]) -> None: ...


class Answer(Protocol):
    """`(packet) -> None`: the broker has answered a subscription, or an unsubscription."""

    def __call__(self, answer: mqtt5.SubAckPacket | mqtt5.UnsubAckPacket, /) -> None: ...


class Connection(asyncio.BufferedProtocol):
    """Once: make it, shake hands, use it until `closed`, which never fails; `reason` then says why it ended.

    `window` and `limit` are how many messages the broker takes unconfirmed, and the largest packet in bytes; both are
    set by the link once it knows what was granted. `paused` means that the socket takes no more for now.
    """

    def __init__(
        self, config: LinkConfig, epoch: int, receive: Receive, confirm: Confirm, answer: Answer, counts: LinkCounts
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

    async def handshake(self, subscriptions: Sequence[str], at: int) -> mqtt5.ConnAckPacket:
        """Introduce ourselves at a time (ms) and subscribe; what the broker grants. `Unavailable` when it refuses."""
        config = self._config
        self.write([connect(config, at)])
        hello = await self._hello
        if hello.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
            msg = f"the broker refuses us: {hello.reason_code.name}; check [broker] user and password_file"
            raise Unavailable(msg)
        self.write([subscribe(1, subscriptions)])
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
