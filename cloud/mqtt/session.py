"""One connection to the broker: an object per connection, never reused.

aiomqtt keeps the connection. It acknowledges a message before we see it, and does not tell of a publish that an MQTT 5
broker refuses: so beneath it paho's manual acknowledgement is switched on, and its confirmations are taken by us.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt
from msgspec import Struct
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from cloud.mqtt.client import make
from cloud.mqtt.config import MqttConfig
from cloud.mqtt.events import STRUCTURED
from cloud.patience import Patience
from runtime.clock import Clock
from twins.errors import Unavailable

_OVERHEAD = 128
"""Bytes of a publish beside its topic and payload, at most."""


class Inbound(Struct, frozen=True):
    """A message of the cloud, on the connection it came by; `attributes` are the user properties of MQTT 5."""

    topic: str
    payload: bytes
    retained: bool
    attributes: tuple[tuple[str, str], ...]
    qos: int
    packet: int
    session: Session


class Untaken(Unavailable):
    """The link lives, but the broker does not take this message: it is too large, or its topic is not ours."""


class Session:
    """A connection that is being made or held; see `connected`."""

    def __init__(self, config: MqttConfig, clock: Clock, patience: Patience, client: aiomqtt.Client) -> None:
        self._config = config
        self._clock = clock
        self._patience = patience
        self._client = client
        self._paho: Any = client._client
        self._backlog: Any = client._queue
        self._waiting: dict[int, asyncio.Future[str]] = {}
        self._room = 2**28
        self._confirmed = 0
        self.ended = ""

    @property
    def is_five(self) -> bool:
        return self._config.protocol == "5"

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send at QoS 1 and return when the broker has confirmed; `Unavailable` when it does not, or refuses.

        A broker that confirms nothing for too long, this or other messages, ends the connection.
        """
        if len(payload) + len(topic) + _OVERHEAD > self._room:
            raise Untaken(f"{len(payload)} bytes for {topic} are more than the {self._room} this broker takes")
        info = self._paho.publish(topic, payload, 1, retain, self._properties())
        if info.rc != 0:
            raise Unavailable(self.ended or "the connection is closing")
        answer = self._waiting[info.mid] = asyncio.get_running_loop().create_future()
        try:
            refused = await self._confirmation(answer)
        finally:
            self._waiting.pop(info.mid, None)
        if refused:
            raise Untaken(
                f"the broker refuses {topic}: {refused}; its rights must let {self._config.client_id} write there"
            )

    async def _confirmation(self, answer: asyncio.Future[str]) -> str:
        """Why the broker refuses, empty when it does not."""
        began = self._clock.monotonic()
        while True:
            confirmed, heard, patience = self._confirmed, self._patience.heard, self._patience.seconds
            await asyncio.wait({answer}, timeout=patience)
            if answer.done():
                break
            if self._confirmed == confirmed:
                self._patience.silent(patience, heard)
                self.end(f"the broker confirmed nothing for {patience:g} s")
        refused = answer.result()
        self._patience.answered(self._clock.monotonic() - began)
        return refused

    def say(self, topic: str, payload: bytes) -> None:
        """Send, retained, and wait for nothing: a farewell."""
        self._paho.publish(topic, payload, 1, True, self._properties())

    async def messages(self) -> AsyncIterator[Inbound]:
        """What comes; ends with `Unavailable`."""
        try:
            async for m in self._client.messages:
                told = tuple(getattr(m.properties, "UserProperty", ()))
                yield Inbound(m.topic.value, bytes(m.payload), m.retain, told, m.qos, m.mid, self)
                if self._backlog.overran and not self._backlog.qsize():
                    self.end("more came at once than could be held; the rest comes with the next connection")
        except aiomqtt.MqttError as error:
            raise Unavailable(self.ended or _reason(error, self._config)) from error

    def acknowledge(self, message: Inbound) -> None:
        """The broker may forget the message; nothing when the connection is gone, and it will come again."""
        if not self.ended and message.qos:
            self._paho.ack(message.packet, message.qos)

    def end(self, reason: str) -> None:
        """Let go of the connection; whoever waits for a confirmation gets `Unavailable`."""
        self.ended = self.ended or reason
        self._paho.disconnect()
        if not self._client._disconnected.done():  # on a dead connection nobody else would find out
            self._client._disconnected.set_result(None)
        _fail(self._waiting.values(), Unavailable(self.ended))

    async def _subscribe(self, topics: tuple[str, ...]) -> None:
        granted: Any = await self._client.subscribe([(topic, 1) for topic in topics])
        for topic, code in zip(topics, granted, strict=True):
            if code.is_failure:
                raise Unavailable(f"the broker refuses the subscription {topic}: its rights must let us read there")

    def _listen(self) -> None:
        def on_publish(client: Any, userdata: Any, mid: int, code: Any = None, properties: Any = None) -> None:
            self._confirmed += 1
            answer = self._waiting.get(mid)
            if answer is not None and not answer.done():
                answer.set_result(str(code) if code is not None and code.is_failure else "")

        greeted = self._paho.on_connect

        def on_connect(client: Any, userdata: Any, flags: Any, code: Any, properties: Any = None) -> None:
            self._room = getattr(properties, "MaximumPacketSize", self._room)
            greeted(client, userdata, flags, code, properties)

        parted = self._paho.on_disconnect

        def on_disconnect(client: Any, userdata: Any, flags: Any, code: Any, properties: Any = None) -> None:
            # aiomqtt would wait for a greeting, or for what is granted, for as long as it may
            away = aiomqtt.MqttError("it closes the connection")
            _fail((self._client._connected, *self._client._pending_subscribes.values()), away)
            _fail(self._waiting.values(), Unavailable(self.ended or _reason(away, self._config)))
            parted(client, userdata, flags, code, properties)

        self._paho.on_publish, self._paho.on_connect = on_publish, on_connect
        self._paho.on_disconnect = on_disconnect

    def _properties(self) -> Properties | None:
        if not self.is_five:
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ContentType = STRUCTURED
        return properties


@asynccontextmanager
async def connected(
    config: MqttConfig,
    clock: Clock,
    patience: Patience,
    subscriptions: tuple[str, ...],
    presence: str,
    birth: bytes,
    will: bytes,
) -> AsyncIterator[Session]:
    """A connection with a persistent session, its subscriptions granted, and the node's birth said on `presence`.

    Raises `Unavailable`. When it is left in order we say goodbye ourselves; else the broker says our last will.
    """
    password, tls = await asyncio.to_thread(lambda: (config.password(), config.tls()))
    began, within = clock.monotonic(), max(config.connect, patience.seconds)
    client = make(config, within, password, tls, aiomqtt.Will(presence, will, qos=1, retain=True))
    session = Session(config, clock, patience, client)
    session._paho.manual_ack_set(True)
    session._listen()
    try:
        async with client:
            try:
                _heed_cancellation()
                await session._subscribe(subscriptions)
                _heed_cancellation()
                await session.publish(presence, birth, retain=True)
                yield session
            except aiomqtt.MqttError as error:
                session.ended = session.ended or _reason(error, config)
                raise
            finally:  # nothing is awaited here: aiomqtt's own goodbye would wait
                session.say(presence, will)
                session.end("the connection is closed")
    except (aiomqtt.MqttError, OSError, TimeoutError) as error:
        _heed_cancellation()
        if clock.monotonic() - began >= within:  # no greeting came, or nothing was granted
            patience.silent(within, patience.heard)
        raise Unavailable(session.ended or _reason(error, config)) from error
    finally:
        session.end("the connection is closed")


def _fail(answers: Iterable[Any], error: Exception) -> None:
    """Nobody will answer any more."""
    for answer in answers:
        if not answer.done():
            answer.set_exception(error)
            answer.exception()  # whoever waited may be gone already


def _heed_cancellation() -> None:
    """End a cancelled task: Python 3.11's `wait_for`, in aiomqtt, forgets that when what it waits for comes too."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _reason(error: BaseException, config: MqttConfig) -> str:
    """Why the broker is away, in words."""
    cause = error.__cause__ or error
    host, port = config.address
    return f"broker {host}:{port}: {str(cause) or 'it does not answer'}"
