"""The composition root: builds every part by constructor and joins them by ports. Reads as the architecture's diagram."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from devices.mqtt import telemetry
from devices.mqtt.door import MqttDoor
from devices.mqtt.fast import FastLink
from devices.mqtt.link import LinkConfig
from gateway.causes import causes
from gateway.config import Config
from gateway.core import Core
from gateway.registry import Registry
from gateway.timers import Timers
from gateway.turn import Committed
from rules.rules import Rules
from runtime.clock import Clock
from store.journal import Journal
from twins.kubeedge import SUBSCRIPTIONS, Reader, Writer
from twins.twin import Twins


class Gateway:
    """All parts of one gateway."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self.journal = Journal(config.store.path, clock)
        self.twins = Twins(strict=config.twins.compat == "strict")
        self.rules = Rules()
        self.timers = Timers(clock)
        self.core = Core(self.twins, self.rules, self.journal, self.timers, clock)
        self.ready = asyncio.Event()

    async def run(self) -> None:
        found = await self.journal.open()
        self.twins.restore(found.twins.values(), found.seen)
        self.rules.restore(found.rules, found.timers)
        self.timers.restore(found.timers)
        self.registry = Registry({}, self.core.ask, self._clock, causes("manifest", found.boot))
        self.registry.restore(found.manifests)
        strict = self._config.twins.compat == "strict"
        name = self._config.node.name
        url = urlsplit(self._config.broker.url)
        link = FastLink(
            LinkConfig(url.hostname or "127.0.0.1", url.port or 1883, client_id=f"gemelo-{name}"),
            SUBSCRIPTIONS + telemetry.SUBSCRIPTIONS,
            self._clock,
        )
        self.door = MqttDoor(
            link,
            Reader(name, strict=strict),
            Writer(name, strict=strict),
            self.core,
            self._clock,
            causes("mqtt", found.boot),
        )
        self.core.listen(_Published(self.door))
        async with asyncio.TaskGroup() as group:
            group.create_task(self.journal.run(), name="journal")
            group.create_task(self.core.run(), name="core")
            self.door.tell(self.twins.open_deltas())
            group.create_task(self.door.run(), name="mqtt")
            self.ready.set()


class _Published:
    """What was committed, published over MQTT."""

    def __init__(self, door: MqttDoor) -> None:
        self._door = door

    def tell(self, committed: Committed) -> None:
        self._door.tell(committed.instructions)
