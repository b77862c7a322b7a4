"""The kernel: what makes an input durable. The store, twins and rules, the sequencer over them, and the manifests."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator

from gateway import wiring
from gateway.causes import Causes
from gateway.config import Config
from gateway.core import Core
from gateway.flow import LEARNED
from gateway.manifests.registry import Registry
from gateway.pseudonyms import Pseudonyms
from gateway.tables import tables
from gateway.timers import Timers
from learning.knowledge import Knowledge
from rules import account
from rules.rules import Rules
from runtime.clock import Clock
from runtime.supervision import Health, Part, Supervisor
from store.store import Store
from streams.streams import Streams
from twins.errors import Rejected, Unavailable
from twins.exchange import Recovered
from twins.twin import Twins
from web.nodes.manifest import Node

logger = logging.getLogger(__name__)

DRAIN = 5.0
"""Seconds that what was taken gets to be committed and answered when the gateway stops."""


class Kernel:
    """Call `recover` between `store.open` and `run`. It stops last: while a door is open, what it takes is kept."""

    def __init__(self, config: Config, clock: Clock, causes: Causes) -> None:
        section = config.twins
        self.twins = Twins(
            strict=section.compat == "strict",
            enrols=section.enrol,
            enrol_limit=section.enrol_limit,
            heartbeat=section.heartbeat,
        )
        self.rules = Rules(config.node.zone, gauge=time.perf_counter)
        self.streams = Streams(Pseudonyms(config.store.path))
        self.timers = Timers(clock)
        self.knowledge = Knowledge(config.node.zone)
        self.store = Store(wiring.store(config), config.node.name, clock, tables(config, self.twins, self._others))
        self.core = Core(
            self.twins, self.rules, self.streams, self.store.journal, self.timers, clock, knowledge=self.knowledge
        )
        self.registry = Registry(self.core.ask, clock, causes.of("manifest"))
        self.core.listen(self.registry)  # before all others: what they hear of is declared by then
        self.registry.watch("Retention", self.store.policies.set)
        self._clock = clock
        self._group = Supervisor(clock, transient=Unavailable)

    def _others(self) -> Iterator[tuple[str, Node]]:
        return self.registry.of("Node")

    @property
    def health(self) -> list[Health]:
        return self._group.health

    @property
    def inventory(self) -> str:
        """What there is, for people."""
        return f"{len(self.twins)} devices, {len(self.rules.detectors)} rules"

    def recover(self, found: Recovered) -> None:
        """Take up what was on disk. What can't be read any more is told and left out."""
        for device in self.twins.restore(found.twins, found.seen):
            logger.error("the twin of %s cannot be read back: it begins anew", device)
        start = self.timers.restore(found.timers, found.clock)
        self.core.waits.restore(found.timers)
        decided = self.rules.restore(found.rules, found.timers, start)
        lessons = [
            (kind, name) for kind, name in found.manifests if kind in LEARNED
        ]  # before who is told of the manifests looks
        for fault in self.knowledge.restore(lessons, found.streams):  # watchers of the manifests look at it
            logger.warning("%s", fault)
        for fault in self.registry.restore(found.manifests):
            logger.warning("%s", fault)
        for name, manifest in self.registry.of("Detector"):
            try:
                decided += self.rules.apply(manifest, start.now)
            except Rejected as error:
                logger.warning("rule %s does not hold any more: %s", name, error)
        for name, alarm in self.registry.of("Alarm"):
            try:
                decided += self.rules.alarms.apply(alarm, "", self._clock.now())
            except Rejected as error:
                logger.warning("alarm %s does not hold any more: %s", name, error)
        self.rules.recall(told for each in found.decisions if (told := account.read(each)) is not None)
        manifests = [manifest for kind in ("Pipeline", "Query") for _, manifest in self.registry.of(kind)]
        for fault in self.streams.restore(manifests, found.streams, self._clock.now()):
            logger.warning("%s", fault)
        self.core.resume(decided)

    async def rejoin(self) -> None:
        """While it runs: let devices whose twin could not be read back join again, as their manifests say."""
        await self.registry.rejoin(lambda device: self.twins.get(device) is not None)

    async def run(self, *others: Part) -> None:
        """Run store and core, and the others upon them; `stop` ends them in reverse."""
        for part in (Part("store", self.store.run, deadline=10.0), Part("core", self.core.run), *others):
            self._group.add(part)
        await self._group.run()

    async def drained(self) -> None:
        """Wait until all that was taken is settled, or `DRAIN` is over: what was not answered then comes again."""
        try:
            async with asyncio.timeout(DRAIN):
                while not self.core.idle:
                    await self._clock.sleep(0.01)
        except TimeoutError:
            logger.warning("not everything was settled within %.0f s; what was not answered comes again", DRAIN)

    def stop(self) -> None:
        """Ask `run` to end."""
        self._group.stop()
