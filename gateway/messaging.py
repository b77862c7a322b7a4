"""MQTT as a whole: a broker of our own where none is configured, the link to it, and the door."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec import structs

from devices.mqtt import telemetry
from devices.mqtt.credentials import Credentials
from devices.mqtt.door import Mapped, MqttDoor
from devices.mqtt.fast import FastLink
from devices.mqtt.link import Letter, Link, LinkConfig
from devices.mqtt.rights import CONTROL
from devices.mqtt.steady import SteadyLink
from devices.sparkplug import topic as sparkplug
from devices.telemetry.grants import Topics
from devices.telemetry.mappings import Mappings
from devices.telemetry.topic import overlap
from gateway import brokers
from gateway.committed import Committed
from gateway.config import Config
from gateway.core import Core
from gateway.ownbroker import OwnBroker
from runtime.clock import Clock
from twins.errors import Rejected, Unavailable
from twins.exchange import Event
from twins.instructions import Delta
from twins.kubeedge import SUBSCRIPTIONS, Reader, Writer
from twins.stimuli import Noted

logger = logging.getLogger(__name__)

HEARD = SUBSCRIPTIONS + telemetry.SUBSCRIPTIONS
"""What is heard always."""
CONFIRMED = 30.0
"""Seconds that the broker may take to confirm a message before it is sent again."""


class Plain(Mapped, Protocol):
    """Topics of others: which are heard, what they mean, and how their devices are asked something."""

    @property
    def filters(self) -> frozenset[str]: ...

    def commands(self, device: str, values: Mapping[str, str]) -> Sequence[tuple[str, bytes]]: ...

    def granted(self, device: str, reserved: Collection[str] = ()) -> Topics: ...


class Messaging:
    """The part `mqtt`. Before it runs nothing is published; what a commit announces then is queued by the link.

    `note` hears of telemetry that is refused; `mappings` says which topics of others are heard, and what they mean;
    `credentials` are those of devices at a broker of our own.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        core: Core,
        clock: Clock,
        next_cause: Callable[[], str],
        note: Callable[[Event], None] | None = None,
        mappings: Plain | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self._config = config
        self._core = core
        self._clock = clock
        self._next_cause = next_cause
        self._note = note
        self._mappings: Plain = Mappings() if mappings is None else mappings
        self._door: MqttDoor | None = None
        self._place = ""
        self._echoes = False
        self.own = OwnBroker(config, clock, credentials, self._mappings.granted, self._login_refused)
        """The broker that runs where none is configured."""

    @property
    def address(self) -> str:
        """`host:port` of the broker in use; empty before it is known."""
        return self._place

    @property
    def door(self) -> MqttDoor | None:
        return self._door

    @property
    def trouble(self) -> str:
        """What is wrong, in words; empty when devices are heard."""
        if self._door is None:
            return "the broker is being started"
        return "" if self._door.link.connected else f"no broker at {self._place}: is it running, is the address right?"

    def tell(self, committed: Committed) -> None:
        if self._door is not None:
            self._door.tell(committed.said)
            for order in committed.orders:
                self._ask(order.device, order.values)

    def remap(self) -> None:
        """Take up what changed in the mappings: other topics are heard, devices may write others; connections stay."""
        self.regrant()
        if self._door is not None:
            self._door.link.hear(self._mappings.filters)

    def regrant(self) -> None:
        """What devices are granted may be something else now; soon the broker knows."""
        self.own.regrant()

    def say(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish what the topics of others call for; nothing before there is a broker."""
        if self._door is not None:
            self._door.link.publish(messages)

    async def send(self, topic: str, payload: bytes, ident: str, *, qos: int, retain: bool) -> None:
        """Publish, and return when the broker has it, at QoS 0 when it is sent.

        Raises `Unavailable` when it has not, and `Rejected` for what no broker takes.
        """
        if self._echoes and any(overlap(topic, each) for each in (*HEARD, *self._mappings.filters)):
            raise Rejected("the gateway hears this topic itself, and with MQTT 3.1.1 its own messages too: a loop")
        link = None if self._door is None else self._door.link
        if link is None or not link.connected:
            raise Unavailable("the broker is away")
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def done(sent: bool) -> None:
            if not answer.done():
                answer.set_result(sent)

        unfit = link.counts.unfit
        link.publish([Letter(topic, payload, done, qos, retain, ident)])
        try:
            async with asyncio.timeout(CONFIRMED):
                sent = await answer
        except TimeoutError:
            raise Unavailable(f"the broker has not confirmed it within {CONFIRMED:g} s") from None
        if not sent and link.counts.unfit > unfit:
            raise Rejected("no broker takes such a message: it is too large, or its topic is none")
        if not sent:
            raise Unavailable("too much waits for the broker")

    @property
    def connects(self) -> int:
        """How often the broker was reached: another number says that something may have gone unheard."""
        return 0 if self._door is None else self._door.link.counts.connects

    def _ask(self, device: str, values: Mapping[str, str]) -> None:
        """Publish what is desired of a device that has commands of its own."""
        messages = self._mappings.commands(device, values)
        if messages and self._door is not None:
            self._door.link.publish(messages)

    def cut(self, user: str) -> None:
        """End the connections of a user with a certificate: mosquitto itself looks at none that it has let in.

        Its plugin ends those of a user that it deletes; it knows none, so it is told of this one first.
        """
        if self._door is not None and self.own.encrypted:
            known = {"command": "createClient", "username": user}
            commands = [known, {"command": "deleteClient", "username": user}]
            self._door.link.publish([(CONTROL, msgspec.json.encode({"commands": commands}))])

    async def run(self) -> None:
        section = self._config().broker
        if section.url:
            await self._serve(brokers.foreign(self._config()), fast=section.protocol == "5")
            return
        async with self.own.running() as (link, protocol):
            await self._serve(link, fast=protocol == 5)

    def _login_refused(self) -> None:
        message = "the broker refused a login: no such user, a wrong password, or none"
        cause, now = self._next_cause(), self._clock.now()
        event = Event(f"{cause}:login", now, "security", "broker", "warning", message, cause)
        self._core.offer_nowait((Noted("", cause, now, event),))

    async def _serve(self, config: LinkConfig, *, fast: bool) -> None:
        self._echoes = not fast
        if host := self._config().broker.sparkplug_host:
            config = structs.replace(config, presence=f"{sparkplug.PREFIX}STATE/{host}")
        link: Link = FastLink(config, HEARD, self._clock) if fast else SteadyLink(config, HEARD, self._clock)
        link.hear(self._mappings.filters)
        name, strict = self._config().node.name, self._config().twins.compat == "strict"
        self._place = f"{config.host}:{config.port}"
        reader, writer = Reader(name, strict=strict), Writer(name, strict=strict)
        self._door = MqttDoor(
            link, reader, writer, self._core, self._clock, self._next_cause, self._note, self._mappings
        )
        deltas = self._core.twins.open_deltas()
        self._door.tell(deltas)
        for delta in deltas:
            if isinstance(delta, Delta):
                asked = {n: p.desired.value for n, p in delta.properties.items() if p.drifts and p.desired}
                self._ask(delta.device, asked)
        await self._door.run()
