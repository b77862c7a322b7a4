"""The steady link: MQTT 3.1.1 (or 5) through aiomqtt, for brokers the fast link can't talk to.

aiomqtt acknowledges a message before we see it, and its `Message` hides the DUP flag. So this link switches paho's
manual acknowledgement on beneath it and takes paho's messages as they come; aiomqtt keeps the connection.
A contract test fails when an update of either library changes that.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from typing import Any

from devices.mqtt.link import LinkConfig, LinkCounts, Message, Receive
from runtime.backoff import Backoff
from runtime.clock import Clock
from twins.errors import Unavailable

logger = logging.getLogger(__name__)


class SteadyLink:
    """A link to an MQTT 3.1.1 broker. See `devices.mqtt.link.Link` for the contract."""

    def __init__(self, config: LinkConfig, subscriptions: Sequence[str], clock: Clock) -> None:
        self.counts = LinkCounts()
        self._config = config
        self._subscriptions = tuple(subscriptions)
        self._clock = clock
        self._outgoing: deque[tuple[str, bytes]] = deque()
        self._unconfirmed: dict[int, tuple[str, bytes]] = {}
        self._epoch = 0
        self._paho: Any = None

    @property
    def connected(self) -> bool:
        return self._paho is not None

    async def run(self, receive: Receive) -> None:
        import aiomqtt

        backoff = Backoff(first=0.1, limit=15.0)
        while True:
            try:
                await self._serve(receive, backoff)
            except (aiomqtt.MqttError, OSError, TimeoutError, Unavailable) as error:
                if backoff.tries in {0, 5}:
                    logger.warning("broker %s:%d is away: %s", self._config.host, self._config.port, error)
            finally:
                self._paho = None
            await self._clock.sleep(backoff.next())

    def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        self._outgoing.extend(messages)
        while len(self._outgoing) > self._config.outgoing_limit:
            self._outgoing.popleft()
            self.counts.dropped += 1
        self._send_waiting()

    def acknowledge(self, messages: Sequence[Message]) -> None:
        paho = self._paho
        if paho is None:
            return
        for message in messages:
            if message.qos and message.epoch == self._epoch:
                paho.ack(message.packet, message.qos)
                self.counts.acknowledged += 1

    async def _serve(self, receive: Receive, backoff: Backoff) -> None:
        import aiomqtt

        config = self._config
        self._epoch += 1
        client = aiomqtt.Client(
            config.host,
            config.port,
            identifier=config.client_id,
            username=config.username,
            password=config.password,
            clean_session=False,
            keepalive=config.keepalive,
            timeout=config.connect_timeout,
            tls_context=config.tls,
            max_inflight_messages=config.receive_maximum,
        )
        paho = client._client  # aiomqtt has no public way to acknowledge by hand
        paho.manual_ack_set(True)
        self._listen(paho, receive)
        async with client:
            granted = await client.subscribe([(topic, 1) for topic in self._subscriptions])
            refused = [t for t, code in zip(self._subscriptions, granted, strict=True) if _failed(code)]
            if refused:
                msg = f"the broker refuses our subscription to {refused[0]}: give this user the right to read it"
                raise Unavailable(msg)
            backoff.reset()
            self.counts.connects += 1
            self._paho = paho
            again, self._unconfirmed = list(self._unconfirmed.values()), {}
            self._outgoing.extendleft(reversed(again))
            self._send_waiting()
            async for _ in client.messages:  # ends with an error when the link breaks
                pass

    def _listen(self, paho: Any, receive: Receive) -> None:
        epoch = self._epoch
        inner = paho.on_publish

        def on_message(client: Any, userdata: Any, m: Any) -> None:
            self.counts.received += 1
            receive(Message(m.topic, m.payload, m.qos, m.mid, m.dup, epoch))

        def on_publish(client: Any, userdata: Any, mid: int, code: Any = None, properties: Any = None) -> None:
            inner(client, userdata, mid, code, properties)
            if self._unconfirmed.pop(mid, None) is not None:
                self.counts.confirmed += 1
            self._send_waiting()

        paho.on_message = on_message
        paho.on_publish = on_publish

    def _send_waiting(self) -> None:
        paho = self._paho
        if paho is None:
            return
        while self._outgoing and len(self._unconfirmed) < self._config.receive_maximum:
            topic, payload = self._outgoing.popleft()
            info = paho.publish(topic, payload, qos=1)
            self._unconfirmed[info.mid] = (topic, payload)
            self.counts.published += 1


def _failed(code: Any) -> bool:
    """MQTT 3.1.1 grants are numbers, MQTT 5's are reason codes; 128 and above are refusals in both."""
    return int(getattr(code, "value", code)) >= 128
