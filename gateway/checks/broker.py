"""The check of a broker that is not ours: whether it lets us in, what it limits, and whether it makes messages wait."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import TypeVar
from urllib.parse import urlsplit

import mqtt5

from gateway.checks.finding import Finding, Subject, edit, failure, ok, warning
from gateway.checks.network import reached, reason, way

P = TypeVar("P")

_LEAST_PACKET = 65_536
_LEAST_IN_FLIGHT = 64
"""Unconfirmed messages below which a broker, not the gateway, sets the pace."""
_LEAST_SESSION = 3600
_ROUNDS = 7
_BURST = 8
_STALL = 0.02
"""Seconds a message waits for the one before it; a delayed acknowledgement is 0.04 on Linux."""
_SIZES = (65_536, 262_144)
"""Bodies that come from twins of some hundred and of some thousand properties."""
_CONFIGURATION = "/etc/mosquitto/mosquitto.conf"


class _Session:
    """A connection that speaks MQTT 5, a packet at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._rest = b""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, *packets: mqtt5.Packet) -> None:
        """All in one piece."""
        self._sock.sendall(b"".join(packet.write() for packet in packets))

    def take(self, kind: type[P]) -> P:
        """The next packet, of this kind. Raises `ValueError` when it is none."""
        while True:
            with contextlib.suppress(IndexError):  # not whole yet
                packet, length = mqtt5.read(memoryview(self._rest))
                self._rest = self._rest[length:]
                if isinstance(packet, kind):
                    return packet
                msg = f"it answers with {type(packet).__name__}: no MQTT broker"
                raise ValueError(msg)
            piece = self._sock.recv(4096)
            if not piece:
                msg = "it closed the connection: no MQTT 5 broker (MQTT 5 is needed; mosquitto 1.6 and newer speak it)"
                raise ValueError(msg)
            self._rest += piece


def broker(subject: Subject) -> Iterable[Finding]:
    """The configured broker lets us in, its limits are no hindrance, and it makes no message wait for another."""
    section = subject.config.broker
    if not section.url:
        return
    stage = "broker"
    try:
        with _connected(section.url, section.ca_file, section.cert_file, section.key_file) as sock:
            session = _Session(sock)
            password = section.password_file.read_bytes().strip() if section.password_file else None
            answer = _greet(session, section.user or None, password)
            if answer.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
                why = answer.reason_code.name.lower().replace("_", " ")
                message = f"{section.url}: {why}; see broker.user and broker.password_file"
                yield failure(stage, message, edit(subject))
                return
            yield from list(_low(section.url, answer)) or [ok(stage, f"{section.url}: {_limits(answer)}")]
            stage = "broker pace"
            topic = f"$hw/events/node/{subject.config.node.name}/check/{os.getpid()}"
            yield from _pace(section.url, session, topic, answer.max_packet_size or 2 * _SIZES[-1])
    except (OSError, ValueError) as error:
        yield failure(stage, f"{section.url}: {reason(error)}", way(section.url))


def _greet(session: _Session, user: str | None, password: bytes | None) -> mqtt5.ConnAckPacket:
    name = f"gemelo-check-{os.getpid()}"
    session.send(
        mqtt5.ConnectPacket(name, username=user, password=password, clean_start=True, session_expiry_interval=0)
    )
    return session.take(mqtt5.ConnAckPacket)


def _limits(answer: mqtt5.ConnAckPacket) -> str:
    """What it says of itself."""
    largest = answer.max_packet_size
    return (
        f"{answer.receive_max} in flight, packets up to {largest or 'any'} bytes, QoS up to {int(answer.max_qos)}, "
        f"{'' if answer.retain_available else 'nothing '}retained, {answer.topic_alias_max} topic aliases"
    )


def _low(url: str, answer: mqtt5.ConnAckPacket) -> Iterator[Finding]:
    """Its limits that the twins do not go well with."""
    if int(answer.max_qos) < 1:
        message = f"{url}: takes QoS {int(answer.max_qos)} alone; twins are answered at QoS 1"
        yield failure("broker", message, _setting("max_qos 2"))
    if not answer.wildcard_subscription_available:
        message = f"{url}: knows no wildcards in subscriptions; without them the gateway hears no device"
        yield failure("broker", message, way(url))
    largest, expiry = answer.max_packet_size, answer.session_expiry_interval
    if largest is not None and largest < _LEAST_PACKET:
        message = f"{url}: takes packets of {largest} bytes at most; twins need {_LEAST_PACKET}"
        yield warning("broker", message, _setting(f"max_packet_size {_LEAST_PACKET}"))
    if answer.receive_max < _LEAST_IN_FLIGHT:
        message = f"{url}: takes {answer.receive_max} messages unconfirmed; answers to many devices wait below 1000"
        yield warning("broker", message, _setting("max_inflight_messages 1000"))
    if expiry is not None and 0 < expiry < _LEAST_SESSION:
        message = f"{url}: forgets us after {expiry} s; what devices send while we are away longer is lost"
        yield warning("broker", message, _setting("persistent_client_expiration 1d"))


def _pace(url: str, session: _Session, topic: str, largest: int) -> Iterator[Finding]:
    """Measure how long a message waits for the acknowledgement of the one before it: Nagle's rule at the broker."""
    session.send(mqtt5.SubscribePacket(1, [mqtt5.TopicFilter(topic, max_qos=mqtt5.QoS.AT_MOST_ONCE)]))
    if session.take(mqtt5.SubAckPacket).reason_codes[0] != mqtt5.SubAckReasonCode.GRANTED_QOS_AT_MOST_ONCE:
        return  # no right to hear ourselves: nothing can be measured
    try:
        bursts = [_burst(session, topic) for _ in range(_ROUNDS)]
    except TimeoutError:
        message = f"{url}: what we publish on {topic} does not come back: we need to read and write $hw/events/#"
        yield warning("broker pace", message, "sudo grep -r acl_file /etc/mosquitto")
        return
    first, last = (median(times) for times in zip(*bursts, strict=True))
    if last - first > _STALL:
        message = f"{url}: a message waits {(last - first) * 1000:.0f} ms for the one before it: no TCP_NODELAY there"
        yield warning("broker pace", message, _setting("set_tcp_nodelay true"))
    else:
        yield ok("broker pace", f"{url}: {_BURST} messages go to and fro in {last * 1000:.1f} ms")
    yield from _sizes(url, session, topic, [size for size in _SIZES if size + 1024 < largest])


def _sizes(url: str, session: _Session, topic: str, sizes: Sequence[int]) -> Iterator[Finding]:
    """Look whether it loses messages of these sizes: mosquitto's `message_size_limit` is told to nobody."""
    for size in sizes:
        large, after = (mqtt5.PublishPacket(topic, payload=body) for body in (bytes(size), b"after"))
        session.send(large, after)
        if session.take(mqtt5.PublishPacket).payload == b"after":
            message = f"{url}: loses messages of {size} bytes without a word; a twin of many properties has as many"
            yield warning("broker size", message, _setting("message_size_limit 0"))
            return
        session.take(mqtt5.PublishPacket)
    if sizes:
        yield ok("broker size", f"{url}: messages of {sizes[-1]} bytes come through")


def _burst(session: _Session, topic: str) -> tuple[float, float]:
    """Seconds until the first and the last of some messages are back that were sent in one piece.

    In one, for what we send after the first is back would carry its acknowledgement, and nothing would wait.
    """
    sent = time.monotonic()
    session.send(*(mqtt5.PublishPacket(topic, payload=bytes([number])) for number in range(_BURST)))
    session.take(mqtt5.PublishPacket)
    first = time.monotonic() - sent
    for _ in range(_BURST - 1):
        session.take(mqtt5.PublishPacket)
    return first, time.monotonic() - sent


def _setting(line: str) -> str:
    return f"echo '{line}' | sudo tee -a {_CONFIGURATION}"


def _connected(url: str, ca: Path | None, cert: Path | None, key: Path | None) -> socket.socket:
    sock = reached(url)
    if urlsplit(url).scheme not in {"mqtts", "ssl"}:
        return sock
    try:
        context = ssl.create_default_context(cafile=ca)
        if cert is not None:
            context.load_cert_chain(cert, key)
        return context.wrap_socket(sock, server_hostname=urlsplit(url).hostname)
    except BaseException:
        sock.close()
        raise
