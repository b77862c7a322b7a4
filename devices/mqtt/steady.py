"""The steady link: MQTT 3.1.1 through aiomqtt, for brokers the fast link can't talk to.

aiomqtt acknowledges a message before we see it, and its `Message` hides the DUP flag. So this link switches paho's
manual acknowledgement on beneath it and takes paho's messages as they come; aiomqtt keeps the connection.
A contract test fails when an update of either library changes that.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

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
    check_granted,
    presence,
    settle,
)
from runtime.clock import Clock
from twins.errors import Unavailable

if TYPE_CHECKING:
    import aiomqtt


class SteadyLink:
    """A link to an MQTT 3.1.1 broker. See `devices.mqtt.link.Link` for the contract."""

    def __init__(self, config: LinkConfig, subscriptions: Sequence[str], clock: Clock) -> None:
        self.counts = LinkCounts()
        self._config = config
        self._subscriptions = tuple(subscriptions)
        self._clock = clock
        self._outgoing = Outgoing(config.outgoing_limit, self.counts)
        self._unconfirmed: dict[int, Sendable] = {}
        self._hearing = Hearing()
        self._asked: dict[int, list[str]] = {}
        self._resumed = False
        self._epoch = 0
        self._paho: Any = None
        self._subscribed = False

    @property
    def connected(self) -> bool:
        return self._subscribed

    @property
    def waiting(self) -> int:
        return len(self._outgoing) + len(self._unconfirmed)

    async def run(self, receive: Receive) -> None:
        import aiomqtt

        config = self._config
        patience = Patience(f"broker {config.host}:{config.port}", self._clock)
        while True:
            reason = "connection closed"
            try:
                await self._serve(receive, patience)
            except (aiomqtt.MqttError, OSError, TimeoutError, Unavailable) as error:
                reason = str(error.__cause__ or error) or "it does not answer"
            finally:
                self._subscribed = False
                if self._paho is not None:
                    self._paho.disconnect()  # aiomqtt leaves the socket open when a connection fails half-way
                    self._paho = None
            await patience.wait(reason)

    def hear(self, topics: Collection[str]) -> None:
        self._hearing.want(topics)
        if self._subscribed:
            self._ask()

    def publish(self, messages: Sequence[Sendable]) -> None:
        self._outgoing.add(messages)
        self._send_waiting()

    def acknowledge(self, messages: Sequence[Message]) -> None:
        paho = self._paho
        if paho is None:
            return
        for message in messages:
            if message.qos and message.epoch == self._epoch:
                self.counts.acknowledged += paho.ack(message.packet, message.qos) == 0

    async def _serve(self, receive: Receive, patience: Patience) -> None:
        at = self._clock.now() // 1000
        client = self._client(at)
        self._paho = client._client  # aiomqtt has no public way to acknowledge by hand
        self._paho.manual_ack_set(True)
        self._listen(receive)
        async with client:
            granted = await client.subscribe([(topic, 1) for topic in self._subscriptions])
            check_granted(self._subscriptions, [c if isinstance(c, int) else c.value for c in granted])
            self.counts.connects += 1
            self._subscribed = True
            patience.begun()
            self._say(at, online=True)
            self._asked.clear()
            self._hearing.connected(resumed=self._resumed)
            self._ask()
            self._outgoing.again(self._unconfirmed.values())
            self._unconfirmed.clear()
            self._send_waiting()
            try:
                async for _ in client.messages:  # ends with an error when the link breaks
                    pass
            finally:
                self._say(at, online=False)  # aiomqtt says goodbye, so the last will is not published

    def _say(self, at: int, *, online: bool) -> None:
        """Say that we are there, or not any more, where we are to say it."""
        if self._config.presence and self._paho is not None:
            self._paho.publish(self._config.presence, presence(online=online, at=at), qos=1, retain=True)

    def _client(self, at: int) -> aiomqtt.Client:
        import aiomqtt

        config = self._config
        gone = presence(online=False, at=at)
        return aiomqtt.Client(
            config.host,
            config.port,
            identifier=config.client_id,
            username=config.username,
            password=config.password,
            clean_session=False,
            will=aiomqtt.Will(config.presence, gone, qos=1, retain=True) if config.presence else None,
            keepalive=config.keepalive,
            timeout=config.connect_timeout,
            tls_context=config.tls,
            max_inflight_messages=config.receive_maximum,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )

    def _listen(self, receive: Receive) -> None:
        """Take paho's messages and confirmations as they come, as long as this connection is the one that counts."""
        self._epoch += 1
        epoch = self._epoch
        paho = self._paho
        inner, answered, freed, greeted = paho.on_publish, paho.on_subscribe, paho.on_unsubscribe, paho.on_connect

        def on_connect(client: Any, userdata: Any, flags: Any, *rest: Any) -> None:
            self._resumed = bool(flags.session_present)
            greeted(client, userdata, flags, *rest)

        def on_subscribe(client: Any, userdata: Any, mid: int, codes: Any, *rest: Any) -> None:
            if (topics := self._asked.pop(mid, None)) is None:
                answered(client, userdata, mid, codes, *rest)
            else:
                self._hearing.granted(topics, [c if isinstance(c, int) else c.value for c in codes])

        def on_unsubscribe(client: Any, userdata: Any, mid: int, *rest: Any) -> None:
            if (topics := self._asked.pop(mid, None)) is None:
                freed(client, userdata, mid, *rest)
            else:
                self._hearing.freed(topics)

        def on_message(client: Any, userdata: Any, m: Any) -> None:
            if m.retain and not self._is_fresh(m.topic):
                paho.ack(m.mid, m.qos)
                return
            self.counts.received += 1
            receive(Message(m.topic, m.payload, m.qos, m.mid, m.dup, epoch))

        def on_publish(client: Any, userdata: Any, mid: int, code: Any = None, properties: Any = None) -> None:
            inner(client, userdata, mid, code, properties)
            if epoch == self._epoch and (message := self._unconfirmed.pop(mid, None)) is not None:
                self.counts.confirmed += 1
                settle(message, sent=True)
                self._send_waiting()

        paho.on_connect, paho.on_subscribe, paho.on_unsubscribe = on_connect, on_subscribe, on_unsubscribe
        paho.on_message, paho.on_publish = on_message, on_publish

    def _ask(self) -> None:
        """Tell the broker what changed of what we hear."""
        new, gone = self._hearing.news()
        for topics, ask in (([(topic, 1) for topic in new], self._paho.subscribe), (gone, self._paho.unsubscribe)):
            if topics:
                _, mid = ask(topics)
                self._asked[mid] = new if topics is not gone else gone

    def _is_fresh(self, topic: str) -> bool:
        """True when a retained message comes because its subscription is new to the session."""
        from paho.mqtt.client import topic_matches_sub

        return not self._resumed or any(topic_matches_sub(f, topic) for f in self._hearing.fresh)

    def _send_waiting(self) -> None:
        if not self._subscribed:
            return
        config = self._config
        while len(self._unconfirmed) < config.receive_maximum:
            message = self._outgoing.take(config.packet_limit)
            if message is None:
                return
            self.counts.published += 1
            if type(message) is Letter and not message.qos:
                self._paho.publish(message.topic, message.payload, qos=0, retain=message.retain)
                settle(message, sent=True)
                continue
            retain = type(message) is Letter and message.retain
            info = self._paho.publish(message[0], message[1], qos=1, retain=retain)
            self._unconfirmed[info.mid] = message
