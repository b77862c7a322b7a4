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

from msgspec import Struct

from devices.camera.cameras import Cameras
from devices.camera.gallery import Gallery
from devices.camera.manifest import Camera
from devices.mqtt.credentials import Credentials
from devices.telemetry.homeassistant import Discovery
from devices.telemetry.manifest import Mapping
from devices.telemetry.mappings import Mappings
from gateway import wiring
from gateway.album import Album
from gateway.causes import causes
from gateway.config import Config, changed
from gateway.console import Console
from gateway.core import Core
from gateway.discovery import Discoverer
from gateway.documents import documents_of
from gateway.doors import Door, Doors, Run
from gateway.enrolment import Enrolment
from gateway.health import HealthReport
from gateway.lookout import Lookout
from gateway.mappers import Mappers
from gateway.messaging import Messaging
from gateway.metrics import Metrics
from gateway.news import News
from gateway.operations import Operations
from gateway.orders import Orders
from gateway.portraits import Portraits
from gateway.presence import Presence
from gateway.registry import Registry
from gateway.skyward import Skyward
from gateway.tables import tables
from gateway.timers import Timers
from rules.rules import Rules
from runtime.clock import Clock
from runtime.supervision import Part, Supervisor
from store.store import Store
from twins.errors import Rejected, Unavailable
from twins.exchange import Recovered
from twins.twin import Twins
from web.enrolment import EnrolmentApi
from web.revisions import Revisions
from web.server import Web

logger = logging.getLogger(__name__)

STOP = 15.0
"""Seconds that store and core get to end."""
DRAIN = 5.0
"""Seconds that what was taken gets to be committed and answered when the gateway stops."""


class Gateway:
    """One gateway, from configuration to running parts."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self.config = config
        self._clock = clock
        section = config.twins
        self.twins = Twins(strict=section.compat == "strict", enrols=section.enrol, heartbeat=section.heartbeat)
        self.rules = Rules(config.node.zone)
        self.timers = Timers(clock)
        self.store = Store(wiring.store(config), config.node.name, clock, tables(config, self.twins))
        self.core = Core(self.twins, self.rules, self.store.journal, self.timers, clock)
        revisions = Revisions()
        self.news = News(self.rules, revisions)
        self.gallery = Gallery()
        self.album = Album(self.gallery, self.store.pictures)
        self.lookout = Lookout(self._now, clock)
        self.registry = Registry(self.core.ask, clock, self._causes("manifest"))
        self.mappings = Mappings()
        self.discoverer = Discoverer(self.mappings, self.registry)
        self.credentials = Credentials(config.store.path / "credentials.json", clock)
        self.mqtt = Messaging(
            self._now, self.core, clock, self._causes("mqtt"), self.news.note, self.discoverer, self.credentials
        )
        self.orders = Orders(self.twins)
        limits = wiring.limits(config)
        self.presence = Presence(self.twins, self.core, clock, self._causes("presence"), limits, self._deaf)
        self.cloud = Skyward(self.core, clock, self._learned)
        strict = config.twins.compat == "strict"
        self.mappers = Mappers(self.core, clock, self._causes("mapper"), self.news.note, strict=strict)
        self.ready = asyncio.Event()
        self._boot = 0
        self._stopping = asyncio.Event()
        self._front = self._group()
        self._kernel = self._group()
        self.cameras = Cameras(self.core, self.lookout, clock, self._causes("camera"), self.gallery)
        self.doors = Doors(
            self._now,
            clock,
            Door("mqtt", "broker", lambda config: self.mqtt.run, deadline=10.0),
            Door("models", "inference", lambda config: self.lookout.run if config.inference.enabled else None),
            Door("cameras", "", lambda config: self.cameras.run),
            Door("phones", "offload", self._phones),
            Door("mappers", "dmi", self.mappers.door),
            Door("cloud", "cloud", lambda config: self.cloud.run if config.cloud.kind != "none" else None),
        )
        self.health = HealthReport(self.ready, lambda: self._kernel.health + self.doors.health, self._troubles)
        self.console = Console(
            wiring.node(config, clock),
            self.twins,
            self.rules,
            Portraits(
                self.store.points,
                limits,
                unit=self.mappings.unit,
                picture=self.gallery.version,
                conditions=self.registry.conditions,
            ),
            revisions,
            self.news,
            clock,
            cameras=self.cameras.views,
            cloud=self.cloud.view,
            health=self.health.view,
            hints=lambda: wiring.hints(self.config, self.mqtt.address),
            queries=wiring.QUERIES,
        )
        self.operations = Operations(self.core, self.registry, clock, self._causes("api"))
        self.enrolment = Enrolment(
            self._now,
            self.credentials,
            self.mqtt,
            self.registry,
            self.core.offer_nowait,
            clock,
            self._causes("enrolment"),
        )
        self.metrics = Metrics(self._counts, self._gauges)
        self._front.add(self._page())

    async def run(self) -> None:
        """Run until `stop()`: recover, open the doors; then close them, drain, and write what is left."""
        async with asyncio.TaskGroup() as group:
            front = group.create_task(self._front.run(), name="front")
            found = await self.store.open()
            try:
                await self._serve(found, group)
            finally:
                self.ready.clear()
                await self.store.close()
            self._front.stop()
            await front

    @property
    def reloadable(self) -> frozenset[str]:
        """Sections that a running gateway takes up; a change of any other needs a new one."""
        return self.doors.sections | {"web", "manifests", "log"}

    def stop(self) -> None:
        """Ask `run()` to end in order."""
        self._stopping.set()

    async def _serve(self, found: Recovered, group: asyncio.TaskGroup) -> None:
        self._recover(found)
        self._kernel.add(Part("store", self.store.run, deadline=10.0))
        self._kernel.add(Part("core", self.core.run))
        self._kernel.add(Part("pictures", self.album.run))
        self._kernel.add(Part("orders", self.orders.run))
        self._kernel.add(Part("presence", self.presence.run))
        self._kernel.add(Part("discovery", self.discoverer.run))
        self._kernel.add(Part("enrolment", self.enrolment.run))
        kernel = group.create_task(self._kernel.run(), name="kernel")
        try:
            await self._work(group)
        finally:  # also after a fault: the core stops before the store is closed beneath it
            self._kernel.stop()
            await asyncio.wait({kernel}, timeout=STOP)
        await kernel

    async def _work(self, group: asyncio.TaskGroup) -> None:
        """Open the doors, until `stop()`; then close them and settle what they took."""
        await self.registry.rejoin(lambda device: self.twins.get(device) is not None)
        await self.apply_files()
        self.doors.open()
        doors = group.create_task(self.doors.run(), name="doors")
        self.ready.set()
        logger.info("ready: %d devices, %d rules", len(self.twins), len(self.rules.detectors))
        await self._stopping.wait()
        self.doors.close()
        await doors
        await self._drained()

    def _recover(self, found: Recovered) -> None:
        self._boot = found.boot
        for device in self.twins.restore(found.twins, found.seen):
            logger.error("the twin of %s cannot be read back: it begins anew", device)
        self.timers.restore(found.timers)
        decided = self.rules.restore(found.rules, found.timers)
        self.cloud.build(self.config, found.manifests, found.boot)
        self.registry.watch("Camera", self._camera)
        self.registry.watch("Mapping", self._mapping)
        self.registry.watch("Discovery", self._discovery)
        for fault in self.registry.restore(found.manifests):
            logger.warning("%s", fault)
        self.mappers.follow(self.registry)
        self.enrolment.restore()
        for name, manifest in self.registry.of("Detector"):
            try:
                decided += self.rules.apply(manifest)
            except Rejected as error:
                logger.warning("rule %s does not hold any more: %s", name, error)
        self.core.resume(decided)
        for listener in (self.mqtt, self.orders, self.mappers, self.presence, self.cloud, self.album, self.console):
            self.core.listen(listener)
        self.console.restore(found.events)

    async def apply_files(self) -> None:
        """Apply the manifests that the configuration names; a bad one is told and left out."""
        for path in self.config.manifests.paths:
            for where, data in _documents(path):
                try:
                    logger.info("%s", await self.registry.apply(data, where))
                except Rejected as error:
                    logger.warning("not applied: %s", error)
                except TimeoutError:
                    logger.warning("not applied yet: %s: the store is behind; it follows by itself", where)

    async def reload(self, config: Config) -> None:
        """Take up sections that `reloadable` names: their parts start again, all others go on.

        Files of users and rights are read again too. `Rejected` or `Unavailable`: the old configuration holds.
        """
        sections = changed(self.config, config)
        if "broker" not in sections:
            await self.mqtt.reread()
        before, self.config = self.config, config
        try:
            page = self._page() if "web" in sections else None
            self.doors.check(config, sections)  # refused here, or not at all
        except Rejected:
            self.config = before
            raise
        if "cloud" in sections:
            self.cloud.build(config, self.registry.manifests, self._boot)
        if page is not None:
            await self._front.replace(page)
        await self.doors.reopen(sections)
        await self.apply_files()

    def _page(self) -> Part:
        """Raises `Rejected` for a `[web]` section that cannot be meant."""
        section = self.config.web
        if not section.enabled or not section.listen:
            return Part("page", _off)
        page = Web(
            wiring.web(self.config),
            self.console,
            self.operations,
            self.store.sql,
            self.album,
            self._clock,
            self.metrics.registry(),
            EnrolmentApi(self.enrolment).routes(),
        )
        return Part("page", page.run)

    def _phones(self, config: Config) -> Run | None:
        section = wiring.offload(config)
        if section is None:
            return None
        from devices.offload.server import OffloadDoor

        next_cause, models = self._causes("phone"), self.lookout.models
        door = OffloadDoor(section, self.core, self.lookout, self._clock, next_cause, models, self._known)

        async def run() -> None:
            self.orders.serve("phone", door.actuate)
            await door.run()

        return run

    def _counts(self) -> Iterator[tuple[str, Struct]]:
        yield "core", self.core.counts
        yield "presence", self.presence.counts
        yield "dmi", self.mappers.counts
        if self.mqtt.door is not None:
            yield "mqtt", self.mqtt.door.counts
            yield "link", self.mqtt.door.link.counts
            yield "telemetry_refused", self.mqtt.door.refusals.counts

    def _gauges(self) -> Iterator[tuple[str, str, float]]:
        yield "devices", "Devices with a twin", len(self.twins)
        for state, number in self.presence.states().items():
            yield f"devices_{state}", f"Devices that are {state}", number
        yield "rules", "Rules that hold", len(self.rules.detectors)
        yield "timers", "Timers of rules that are pending", len(self.timers)
        yield "journal_pressure", "Rows waiting for the disk, in parts of the limit", self.store.journal.pressure
        yield "cloud_pending", "Devices with news that the cloud has not confirmed", self.cloud.view().pending
        yield "mappers_pending", "Devices and models of which a mapper has yet to hear", self.mappers.pending
        yield "ready", "1 when recovered and open", float(self.ready.is_set())

    def _deaf(self) -> dict[str, str]:
        """Doors by which no device can be heard now, and why."""
        return {"mqtt": "the broker is away"} if self.mqtt.trouble else {}

    def _troubles(self) -> Iterator[tuple[str, str]]:
        """What parts that run have to complain of."""
        if self.mqtt.trouble:
            yield "mqtt", self.mqtt.trouble
        if self.mappers.trouble:
            yield "mappers", self.mappers.trouble
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

    def _mapping(self, name: str, mapping: Mapping | None) -> None:
        self.mappings.apply(name, mapping)
        self.mqtt.remap()

    def _discovery(self, name: str, discovery: Discovery | None) -> None:
        self.discoverer.apply(name, discovery)
        self.mqtt.remap()

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

    def _now(self) -> Config:
        """The configuration as it is now: a reload changes it."""
        return self.config

    def _known(self, device: str) -> bool:
        return self.twins.get(device) is not None

    def _learned(self, kind: str, name: str, body: bytes | None) -> None:
        self.registry.learned(kind, name, body)

    def _group(self) -> Supervisor:
        return Supervisor(self._clock, transient=Unavailable)


async def _off() -> None:
    """The run of a page that is turned off."""


def _documents(path: Path) -> Iterator[tuple[str, object]]:
    """Manifests of a file or of a folder's files; what can't be read is told and left out."""
    is_folder = path.is_dir()
    files = sorted(p for p in path.iterdir() if p.suffix in {".yaml", ".yml", ".json"}) if is_folder else [path]
    for file in files:
        try:
            yield from documents_of(file.read_bytes(), file.name)
        except Rejected as error:
            logger.warning("not applied: %s", error)
        except OSError as error:
            logger.warning("not applied: %s cannot be read: %s", file, error.strerror)
