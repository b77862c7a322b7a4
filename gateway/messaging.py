"""MQTT as a whole: a broker of our own where none is configured, the link to it, and the door."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
from msgspec import structs

from devices.mqtt import telemetry
from devices.mqtt.broker import Broker, find_mosquitto
from devices.mqtt.credentials import Credentials
from devices.mqtt.door import Mapped, MqttDoor
from devices.mqtt.embedded import EmbeddedBroker
from devices.mqtt.fast import FastLink
from devices.mqtt.link import Link, LinkConfig
from devices.mqtt.rights import CONTROL
from devices.mqtt.steady import SteadyLink
from devices.sparkplug import topic as sparkplug
from devices.telemetry.grants import Topics
from devices.telemetry.mappings import Mappings
from gateway import brokers
from gateway.committed import Committed
from gateway.config import Config, address
from gateway.core import Core
from runtime.clock import Clock
from twins.errors import Unavailable
from twins.exchange import Event
from twins.instructions import Delta
from twins.kubeedge import SUBSCRIPTIONS, Reader, Writer
from twins.stimuli import Noted

if TYPE_CHECKING:
    from devices.mqtt.authority import Authority

logger = logging.getLogger(__name__)

SETTLE = 1.0
"""Seconds in which changes of what devices may do are gathered."""


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
        self._credentials = credentials
        self._authority: Authority | None = None
        self._door: MqttDoor | None = None
        self._place = ""
        self._own: Broker | None = None
        self._regranted = asyncio.Event()

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
        self._regranted.set()

    def say(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish what the topics of others call for; nothing before there is a broker."""
        if self._door is not None:
            self._door.link.publish(messages)

    @property
    def connects(self) -> int:
        """How often the broker was reached: another number says that something may have gone unheard."""
        return 0 if self._door is None else self._door.link.counts.connects

    def _ask(self, device: str, values: Mapping[str, str]) -> None:
        """Publish what is desired of a device that has commands of its own."""
        messages = self._mappings.commands(device, values)
        if messages and self._door is not None:
            self._door.link.publish(messages)

    @property
    def encrypted(self) -> str:
        """`host:port` for devices with a certificate; empty without."""
        found = self._own.encrypted if self._own is not None else None
        return f"{found[0]}:{found[1]}" if found else ""

    @property
    def authority(self) -> Authority:
        """Who signs the certificates of devices. Its first use loads `cryptography`, and makes its key."""
        if self._authority is None:
            from devices.mqtt.authority import Authority

            self._authority = Authority(Path(self._config().store.path) / "authority", self._clock)
        return self._authority

    async def reread(self) -> None:
        """Take up what changed of users and rights; connections stay, but those that lost theirs.

        Raises `Unavailable` (the old hold). A broker that is not ours, or not up, reads them at its start.
        """
        if self._own is None:
            return
        try:
            await self._own.reload()
        except OSError as error:
            raise Unavailable(f"the broker's users cannot be written to {error.filename}: {error.strerror}") from None

    def cut(self, user: str) -> None:
        """End the connections of a user with a certificate: mosquitto itself looks at none that it has let in.

        Its plugin ends those of a user that it deletes; it knows none, so it is told of this one first.
        """
        if self._door is not None and self.encrypted:
            known = {"command": "createClient", "username": user}
            commands = [known, {"command": "deleteClient", "username": user}]
            self._door.link.publish([(CONTROL, msgspec.json.encode({"commands": commands}))])

    async def run(self) -> None:
        section = self._config().broker
        self._own = None
        if section.url:
            await self._serve(brokers.foreign(self._config()), section.protocol == "5")
            return
        broker = self._broker()
        async with asyncio.TaskGroup() as group:
            running = group.create_task(self._keep(broker), name="broker")
            try:
                await broker.ready()
                self._compare(broker.address)
                user, password = (broker.user, broker.password) if isinstance(broker, Broker) else ("", "")
                link = LinkConfig(*broker.address, brokers.client_id(self._config()), user or None, password or None)
                granting = group.create_task(self._grant(), name="broker rights")
                try:
                    await self._serve(link, fast=broker.protocol == 5)
                finally:
                    granting.cancel()
            finally:
                running.cancel()

    def _broker(self) -> Broker | EmbeddedBroker:
        """Raises `Unavailable` where only the embedded broker is left, and more is asked than it can keep."""
        config = self._config()
        section = config.broker
        if find_mosquitto() is None:
            if not section.anonymous:
                raise Unavailable(
                    "mosquitto is absent: apt-get install mosquitto; "
                    "or, for a try on this machine alone, [broker] anonymous = true on loopback"
                )
            logger.warning("mosquitto is absent: the embedded broker serves, without rights and persistence")
            return EmbeddedBroker(*(address(section.listen) or ("127.0.0.1", 1883)))
        if section.anonymous:
            logger.warning("[broker] anonymous = true: any program on this machine may command every device")
        authority = self.authority if section.tls_listen else None
        folder = Path(self._config().store.path) / "broker"
        self._own = Broker(
            folder,
            brokers.settings(self._config()),
            self._clock,
            self._credentials,
            authority,
            self._login_refused,
            self._mappings.granted,
        )
        return self._own

    def _login_refused(self) -> None:
        message = "the broker refused a login: no such user, a wrong password, or none"
        cause, now = self._next_cause(), self._clock.now()
        event = Event(f"{cause}:login", now, "security", "broker", "warning", message, cause)
        self._core.offer_nowait((Noted("", cause, now, event),))

    async def _keep(self, broker: Broker | EmbeddedBroker) -> None:
        """Run it; a folder that can't be written is something a person mends while the rest goes on."""
        try:
            await broker.run()
        except OSError as error:
            message = (
                f"the broker can't keep its files ({error.filename or self._config().store.path}: {error.strerror}): "
                "give this user the right to write there, or set [store] path"
            )
            raise Unavailable(message) from error

    async def _grant(self) -> None:
        """Let the broker know what devices are granted, at most once a second: discovery makes many changes at once."""
        while self._own is not None:
            await self._regranted.wait()
            await self._clock.sleep(SETTLE)
            self._regranted.clear()
            try:
                await self._own.refresh()
            except (Unavailable, OSError) as error:
                logger.warning("what mappings let devices do is not in force yet: %s", error)
                self._regranted.set()

    def _compare(self, found: tuple[str, int]) -> None:
        """Say so when the broker is not where it was wanted."""
        wanted = address(self._config().broker.listen)
        if wanted is not None and wanted[1] not in (0, found[1]):
            logger.warning("port %d is taken: the broker listens on %d, tell your devices", wanted[1], found[1])
        if self.encrypted:
            logger.info("broker: devices with a certificate at %s", self.encrypted)

    async def _serve(self, config: LinkConfig, fast: bool) -> None:
        topics = SUBSCRIPTIONS + telemetry.SUBSCRIPTIONS
        if host := self._config().broker.sparkplug_host:
            config = structs.replace(config, presence=f"{sparkplug.PREFIX}STATE/{host}")
        link: Link = FastLink(config, topics, self._clock) if fast else SteadyLink(config, topics, self._clock)
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
