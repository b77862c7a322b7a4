"""The composition root: every part is built here by constructor and joined by ports. Reads as the diagram does.

Three groups of parts, in the order in which they start; they stop in reverse:

    front     the page and its probes: alive first, `ready` only when the doors are open
    kernel    store, core, timers: what makes an input durable
    doors     broker, MQTT, cameras, phones, models, cloud: where inputs come from and results go to
"""

from __future__ import annotations

import asyncio
import logging

from devices.mqtt.credentials import Credentials
from devices.telemetry.mappings import Mappings
from gateway import wiring
from gateway.actions.wiring import actions
from gateway.alarms.board import Board
from gateway.alarms.desk import Desk
from gateway.alarms.herald import Herald
from gateway.causes import Causes
from gateway.config import Config, changed
from gateway.console import Console, News, Portraits
from gateway.diagrams import Diagrams
from gateway.discovery import Discoverer
from gateway.doors import Door, Doors
from gateway.edge import Edge
from gateway.enrolment import Enrolment
from gateway.flights import flights
from gateway.front import Front, Views
from gateway.groups import Groups
from gateway.health import HealthReport
from gateway.hearing import Hearing
from gateway.instruments import Instruments
from gateway.interpreter import settle
from gateway.kernel import Kernel
from gateway.lessons import Lessons
from gateway.manifests import shelf
from gateway.mappers import Mappers
from gateway.messaging import Messaging
from gateway.metrics import Metrics
from gateway.nodes import Nodes
from gateway.operations import Operations
from gateway.orders import Orders
from gateway.phones import Phones
from gateway.presence import Presence
from gateway.recording import Recording
from gateway.relay import Relay
from gateway.sight import Sight
from gateway.skyward import Skyward
from gateway.sparkplug import SparkplugHost
from gateway.tunings import Tunings
from gateway.uploading import Uploading
from gateway.why import Why
from runtime.clock import Clock
from runtime.supervision import Part
from twins.exchange import Condition, Recovered
from web.nodes.peer import Peers
from web.revisions import Revisions

logger = logging.getLogger(__name__)

STOP = 15.0
"""Seconds that store and core get to end."""


class Gateway:
    """One gateway, from configuration to running parts."""

    def __init__(self, config: Config, clock: Clock) -> None:
        """Raises `Rejected` for sections that cannot be meant."""
        self.config = config
        self.ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._causes = causes = Causes()
        self.kernel = kernel = Kernel(config, clock, causes)
        core, registry, twins = kernel.core, kernel.registry, kernel.twins
        limits, strict = wiring.limits(config), config.twins.compat == "strict"
        revisions = Revisions()
        news = News(kernel.rules, revisions)
        self._board = board = Board(kernel.rules.alarms)

        mappings, credentials = Mappings(), Credentials(config.store.path / "credentials.json", clock)
        self._discoverer = discoverer = Discoverer(mappings, registry)
        self._sparkplug = heard = SparkplugHost(discoverer, registry, twins, clock, core.ask)
        relay = Relay(heard, core, clock, causes.of("router"))
        hearing = Hearing(relay, core, clock, causes.of("webhook"))
        desk = Desk(board, core, clock, causes.of("alarm"))
        self._herald = herald = Herald(hearing, kernel.rules.alarms, desk, clock)
        self._mqtt = mqtt = Messaging(self._now, core, clock, causes.of("mqtt"), news.note, herald, credentials)
        heard.speak_by(mqtt)
        herald.speak_by(mqtt)
        relay.speak_by(mqtt)
        self._enrolment = Enrolment(
            self._now, credentials, mqtt, registry, core.offer_nowait, clock, causes.of("enrolment"), heard.granted
        )
        self._presence = Presence(twins, core, clock, causes.of("presence"), limits, self._deaf)
        self._orders = Orders(twins)
        self._sight = sight = Sight(self._now, core, kernel.store.blobs, clock, causes.of("camera"))
        phones = Phones(core, sight.lookout, self._orders, clock, causes.of("phone"))
        self._mappers = Mappers(core, clock, causes.of("mapper"), news.note, strict=strict)
        self._cloud = cloud = Skyward(core, registry, clock, relay, causes.of("link"))

        self._nodes = nodes = Nodes(self._now, kernel.store.sql, registry, core, clock, causes.of("nodes"))
        peers = Peers(nodes.identity, clock, nodes.alarm)
        groups = Groups(nodes, kernel.store.sql, peers, clock, lambda: self.config.nodes.pull_rows)

        def conditions(device: str) -> tuple[Condition, ...]:
            return registry.conditions(device) + cloud.conditions(device)

        uploads = Uploading(config, kernel.store, core, clock, causes.of("upload"), lambda: registry.unread("Upload"))
        self._actions = acting = actions(config, kernel, mqtt, sight, uploads, clock, causes.of("action"))
        lessons = Lessons(core, kernel.store.sql, config.node.zone, clock, causes.of("learning"))
        tunings = Tunings(core, kernel.store.sql, config.node.zone, clock, causes.of("tuning"))
        operations = Operations(core, registry, clock, causes.of("api"), conditions)
        edge = Edge(core, registry, operations, clock, causes)
        self._doors = Doors(
            self._now,
            clock,
            Door("mqtt", "broker", lambda config: mqtt.run, deadline=10.0),
            Door("models", "inference", lambda config: sight.lookout.run if config.inference.enabled else None),
            Door("cameras", "", lambda config: sight.cameras.run),
            Door("phones", "offload", phones.door),
            Door("tap", "tap", lambda config: wiring.tap(config, kernel.store.tap)),
            Door("mappers", "dmi", self._mappers.door),
            Door("uploads", "", lambda config: uploads.run),
            Door("actions", "", lambda config: acting.run),
            Door("learning", "", lambda config: lessons.run),
            Door("tuning", "", lambda config: tunings.run),
            Door("nodes", "nodes", nodes.door),
            Door("edge-api", "edge_api", edge.door),
            Door("flight", "flight", lambda config: flights(config, kernel.store.sql)),
            Door("cloud", "cloud", lambda config: cloud.run if config.cloud.kind != "none" else None),
        )

        instruments = Instruments(
            kernel,
            self._presence,
            mqtt,
            heard.sessions,
            self._mappers,
            cloud,
            uploads,
            acting,
            lessons,
            tunings,
            nodes,
            groups,
            board,
            self.ready,
        )
        health = HealthReport(self.ready, lambda: kernel.health + self._doors.health, instruments.troubles)
        portraits = Portraits(
            kernel.store.points,
            limits,
            unit=mappings.unit,
            picture=sight.gallery.version,
            conditions=conditions,
        )
        self._console = Console(
            wiring.node(config, clock),
            twins,
            kernel.rules,
            portraits,
            revisions,
            news,
            board,
            clock,
            cameras=sight.cameras.views,
            cloud=cloud.view,
            health=health.view,
            hints=lambda: wiring.hints(self.config, mqtt.address),
            queries=wiring.QUERIES,
        )
        views = Views(
            console=self._console,
            operations=operations,
            recording=Recording(core, clock, causes.of("import")),
            enrolment=self._enrolment,
            sql=kernel.store.sql,
            pictures=sight.album,
            metrics=Metrics(instruments.counts, instruments.gauges),
            cloud=cloud.status,
            uploads=uploads,
            lessons=lessons,
            tunings=tunings,
            groups=groups,
            reasons=Why(kernel.store.journal.file, twins, kernel.rules),
            diagrams=Diagrams(kernel.rules),
            hearing=hearing,
            node=nodes.manifest,
            alarms=desk,
        )
        self._front = Front(config, clock, views)

        registry.watch("Camera", sight.camera)
        registry.watch("Node", nodes.apply)
        for kind, watcher in (
            ("Mapping", mappings.apply),
            ("Discovery", discoverer.apply),
            ("Sparkplug", heard.apply),
        ):
            registry.watch(kind, watcher)
            registry.watch(kind, lambda name, manifest: mqtt.remap())  # after it: other topics are heard now
        registry.watch("Detector", lambda name, manifest: hearing.rehear())
        registry.watch("Detector", lambda name, manifest: mqtt.remap())
        registry.watch("Upload", uploads.apply)
        registry.watch("Alarm", herald.apply)
        registry.watch("Baseline", lessons.baseline)
        registry.watch("Forecast", lessons.forecast)
        registry.watch("Tuning", tunings.apply)
        registry.watch("Device", heard.follow)
        for listener in (
            mqtt,
            self._orders,
            self._mappers,
            self._presence,
            cloud,
            edge,
            sight.album,
            herald,
            tunings,
            self._console,
        ):
            core.listen(listener)
        core.keep(cloud)

    async def run(self) -> None:
        """Run until `stop()`: recover, open the doors; then close them, drain, and write what is left."""
        store = self.kernel.store
        async with asyncio.TaskGroup() as group:
            front = group.create_task(self._front.run(), name="front")
            found = await store.open()
            try:
                await self._serve(found, group)
            finally:
                self.ready.clear()
                await store.close()
            self._front.stop()
            await front

    @property
    def reloadable(self) -> frozenset[str]:
        """Sections that a running gateway takes up; a change of any other needs a new one."""
        return self._doors.sections | {"web", "manifests", "log"}

    def stop(self) -> None:
        """Ask `run()` to end in order."""
        self._stopping.set()

    async def reload(self, config: Config) -> None:
        """Take up sections that `reloadable` names: their parts start again, all others go on.

        Files of users and rights are read again too. `Rejected` or `Unavailable`: the old configuration holds.
        """
        sections = changed(self.config, config)
        if "web" in sections:
            sections |= {"edge_api", "flight"}  # they have the page's token and certificate
        if "broker" not in sections:
            await self._mqtt.own.reread()
        page = self._front.page(config) if "web" in sections else None  # refused here, or not at all
        self._doors.check(config, sections)
        self.config = config
        if "cloud" in sections:
            self._cloud.build(config, self.kernel.registry.manifests, self._causes.boot)
        if page is not None:
            await self._front.turn(page)
        await self._doors.reopen(sections)
        await self._apply_files()

    async def _serve(self, found: Recovered, group: asyncio.TaskGroup) -> None:
        self._recover(found)
        others = (
            Part("pictures", self._sight.album.run),
            Part("orders", self._orders.run),
            Part("presence", self._presence.run),
            Part("discovery", self._discoverer.run),
            Part("sparkplug", self._sparkplug.run),
            Part("enrolment", self._enrolment.run),
            Part("alarms", self._herald.run),
        )
        kernel = group.create_task(self.kernel.run(*others), name="kernel")
        try:
            await self._work(group)
        finally:  # also after a fault: the core stops before the store is closed beneath it
            self.kernel.stop()
            await asyncio.wait({kernel}, timeout=STOP)
        await kernel

    def _recover(self, found: Recovered) -> None:
        self._causes.boot = found.boot
        self._cloud.restore(found.outbox)
        self._actions.restore(found.outbox)
        self._cloud.build(self.config, found.manifests, found.boot)  # before the first commit: it may be news there
        self.kernel.recover(found)
        self._board.restore()
        self._mappers.follow(self.kernel.registry)
        self._enrolment.restore()
        self._console.restore(found.events)
        settle()

    async def _work(self, group: asyncio.TaskGroup) -> None:
        """Open the doors, until `stop()`; then close them and settle what they took."""
        await self.kernel.rejoin()
        await self._apply_files()
        self._doors.open()
        doors = group.create_task(self._doors.run(), name="doors")
        self.ready.set()
        logger.info("ready: %s", self.kernel.inventory)
        await self._stopping.wait()
        self._doors.close()
        await doors
        await self.kernel.drained()

    async def _apply_files(self) -> None:
        await shelf.apply(self.config.manifests.paths, self.kernel.registry)

    def _now(self) -> Config:
        """The configuration as it is now: a reload changes it."""
        return self.config

    def _deaf(self) -> dict[str, str]:
        """Doors by which no device can be heard now, and why."""
        return {"mqtt": "the broker is away"} if self._mqtt.trouble else {}
