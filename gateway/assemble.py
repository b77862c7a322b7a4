"""The composition root: every part is built here by constructor and joined by ports. Reads as the diagram does.

Three groups of parts, in the order in which they start; they stop in reverse:

    front     the page and its probes: alive first, `ready` only when the doors are open
    kernel    store, core, timers: what makes an input durable
    doors     broker, MQTT, cameras, phones, models, cloud: where inputs come from and results go to
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry

from devices.camera.cameras import Cameras
from devices.camera.gallery import Gallery
from devices.camera.manifest import Camera
from gateway import wiring
from gateway.album import Album
from gateway.causes import causes
from gateway.config import Config
from gateway.console import Console
from gateway.core import Core
from gateway.health import HealthReport
from gateway.lookout import Lookout
from gateway.messaging import Messaging
from gateway.operations import Operations, documents_of
from gateway.orders import Orders
from gateway.registry import Kind, Registry, kind
from gateway.skyward import Skyward
from gateway.tables import tables
from gateway.timers import Timers
from rules import detector
from rules.rules import Rules
from runtime.clock import Clock
from runtime.supervision import Part, Supervisor
from store.store import Store
from twins.errors import Rejected, Unavailable
from twins.exchange import Recovered
from twins.twin import Twins
from web.server import Web

logger = logging.getLogger(__name__)

DRAIN = 5.0
"""Seconds that what was taken gets to be committed and answered when the gateway stops."""


class Gateway:
    """One gateway, from configuration to running parts."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self.config = config
        self._clock = clock
        self._metrics = CollectorRegistry()
        self.twins = Twins(strict=config.twins.compat == "strict", enrols=config.twins.enrol)
        self.rules = Rules(config.node.zone)
        self.timers = Timers(clock)
        self.store = Store(wiring.store(config), config.node.name, clock, tables(config, self.twins))
        self.core = Core(self.twins, self.rules, self.store.journal, self.timers, clock)
        self.gallery = Gallery()
        self.album = Album(self.gallery, self.store.pictures)
        self.lookout = Lookout(config, clock)
        self.mqtt = Messaging(config, self.core, clock, self._causes("mqtt"))
        self.orders = Orders(self.twins)
        self.cloud = Skyward(config, self.core, clock, self._learned)
        self.ready = asyncio.Event()
        self._boot = 0
        self._stopping = asyncio.Event()
        self._front = self._group()
        self._kernel = self._group()
        self._doors = self._group()
        self.cameras = Cameras(self.core, self.lookout, clock, self._causes("camera"), self.gallery)
        self.registry = Registry(self._kinds(), self.core.ask, clock, self._causes("manifest"))
        self.health = HealthReport(self.ready, lambda: self._kernel.health + self._doors.health, self._troubles)
        self.console = Console(
            wiring.node(config, clock),
            self.twins,
            self.rules,
            self.store.points,
            clock,
            cameras=self.cameras.views,
            picture=self.gallery.version,
            cloud=self.cloud.view,
            health=self.health.view,
            hints=lambda: wiring.hints(config, self.mqtt.address),
            queries=wiring.QUERIES,
        )
        operations = Operations(self.core, self.registry, clock, self._causes("api"))
        self.web: Web | None = None
        if config.web.enabled and config.web.listen:
            self.web = Web(
                wiring.web(config), self.console, operations, self.store.sql, self.album, clock, self._metrics
            )

    async def run(self) -> None:
        """Run until `stop()`: recover, open the doors; then close them, drain, and write what is left."""
        async with asyncio.TaskGroup() as group:
            if self.web is not None:
                self._front.add(Part("page", self.web.run))
            front = group.create_task(self._front.run(), name="front")
            found = await self.store.open()
            try:
                await self._serve(found, group)
            finally:
                self.ready.clear()
                await self.store.close()
            self._front.stop()
            await front

    def stop(self) -> None:
        """Ask `run()` to end in order."""
        self._stopping.set()

    async def _serve(self, found: Recovered, group: asyncio.TaskGroup) -> None:
        self._recover(found)
        self._kernel.add(Part("store", self.store.run, deadline=10.0))
        self._kernel.add(Part("core", self.core.run))
        self._kernel.add(Part("pictures", self.album.run))
        self._kernel.add(Part("orders", self.orders.run))
        kernel = group.create_task(self._kernel.run(), name="kernel")
        await self.apply_files()
        self._open_doors()
        doors = group.create_task(self._doors.run(), name="doors")
        self.ready.set()
        logger.info("ready: %d devices, %d rules", len(self.twins), len(self.rules.detectors))
        await self._stopping.wait()
        self._doors.stop()
        await doors
        await self._drained()
        self._kernel.stop()
        await kernel

    def _recover(self, found: Recovered) -> None:
        self._boot = found.boot
        self.twins.restore(found.twins.values(), found.seen)
        self.timers.restore(found.timers)
        decided = self.rules.restore(found.rules, found.timers)
        self.cloud.recover(found)
        self.registry.watch("Camera", self._camera)
        for fault in self.registry.restore(found.manifests):
            logger.warning("%s", fault)
        for name, manifest in self.registry.of("Detector"):
            try:
                decided += self.rules.apply(manifest)
            except Rejected as error:
                logger.warning("rule %s does not hold any more: %s", name, error)
        self.core.resume(decided)
        for listener in (self.mqtt, self.orders, self.cloud, self.album, self.console):
            self.core.listen(listener)
        self.console.restore()
        for event in found.events:
            self.console.note(event)

    async def apply_files(self) -> None:
        """Apply the manifests that the configuration names; a bad one is told and left out."""
        for path in self.config.manifests.paths:
            for file in _files(path):
                for where, data in documents_of(file.read_bytes(), file.name):
                    try:
                        logger.info("%s", await self.registry.apply(data, where))
                    except Rejected as error:
                        logger.warning("not applied: %s", error)

    def _open_doors(self) -> None:
        self._doors.add(Part("mqtt", self.mqtt.run, deadline=10.0))
        if self.config.inference.enabled:
            self._doors.add(Part("models", self.lookout.run))
        self._doors.add(Part("cameras", self.cameras.run))
        phones = wiring.offload(self.config)
        if phones is not None:
            from devices.offload.server import OffloadDoor

            next_cause, models = self._causes("phone"), self.lookout.models
            door = OffloadDoor(phones, self.core, self.lookout, self._clock, next_cause, models, self._known)
            self.orders.serve("phone", door.actuate)
            self._doors.add(Part("phones", door.run))
        if self.cloud.kind != "none":
            self._doors.add(Part("cloud", self.cloud.run))

    def _troubles(self) -> Iterator[tuple[str, str]]:
        """What parts that run have to complain of."""
        if self.mqtt.trouble:
            yield "mqtt", self.mqtt.trouble
        if self.store.journal.fault:
            yield "store", f"nothing can be written: {self.store.journal.fault}; free some space, it goes on by itself"
        cloud = self.cloud.view()
        if cloud.state in {"cut", "connecting"}:
            yield "cloud", f"{cloud.reason}; what changes here is kept and sent later"

    async def _drained(self) -> None:
        try:
            async with asyncio.timeout(DRAIN):
                while not self.core.idle:
                    await self._clock.sleep(0.01)
        except TimeoutError:
            logger.warning("not everything was settled within %.0f s; what was not answered comes again", DRAIN)

    def _kinds(self) -> dict[str, Kind]:
        return {"Camera": kind(Camera, is_device=True), "Detector": Kind(detector.decode)}

    def _camera(self, name: str, camera: Camera | None) -> None:
        if camera is None:
            self.cameras.remove(name)
        else:
            self.cameras.apply(camera)

    def _causes(self, door: str) -> Callable[[], str]:
        """Ids of a door's inputs; the boot number is known once the journal is open."""
        made: list[Callable[[], str]] = []

        def next_cause() -> str:
            if not made:
                made.append(causes(door, self._boot))
            return made[0]()

        return next_cause

    def _known(self, device: str) -> bool:
        return self.twins.get(device) is not None

    def _learned(self, kind: str, name: str, body: bytes | None) -> None:
        self.registry.learned(kind, name, body)

    def _group(self) -> Supervisor:
        return Supervisor(self._clock, transient=Unavailable)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(p for p in path.iterdir() if p.suffix in {".yaml", ".yml", ".json"})
    return [path]
