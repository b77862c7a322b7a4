"""What the gateway says of itself: counts and gauges for metrics, and what its parts have to complain of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from msgspec import Struct

from devices.sparkplug.sessions import Sessions
from gateway.actions.actions import Actions
from gateway.alarms.board import Board
from gateway.groups import Groups
from gateway.kernel import Kernel
from gateway.lessons import Lessons
from gateway.mappers import Mappers
from gateway.messaging import Messaging
from gateway.nodes import Nodes
from gateway.presence import Presence
from gateway.skyward import Skyward
from gateway.tunings import Tunings
from gateway.uploading import Uploading


class Instruments:
    """Reads the parts when asked, and keeps nothing."""

    def __init__(
        self,
        kernel: Kernel,
        presence: Presence,
        mqtt: Messaging,
        sparkplug: Sessions,
        mappers: Mappers,
        cloud: Skyward,
        uploads: Uploading,
        actions: Actions,
        lessons: Lessons,
        tunings: Tunings,
        nodes: Nodes,
        groups: Groups,
        board: Board,
        ready: asyncio.Event,
    ) -> None:
        self._kernel = kernel
        self._presence = presence
        self._mqtt = mqtt
        self._sparkplug = sparkplug
        self._mappers = mappers
        self._cloud = cloud
        self._uploads = uploads
        self._actions = actions
        self._lessons = lessons
        self._tunings = tunings
        self._nodes = nodes
        self._groups = groups
        self._board = board
        self._ready = ready

    def counts(self) -> Iterator[tuple[str, Struct]]:
        """Structs of whole numbers that only grow, by the name of their part."""
        yield "core", self._kernel.core.counts
        yield "rules", self._kernel.rules.counts
        yield "store", self._kernel.store.segments.counts
        yield "streams", self._kernel.streams.counts
        yield "pipelines", self._kernel.streams.offers
        yield "presence", self._presence.counts
        yield "dmi", self._mappers.counts
        yield "sparkplug", self._sparkplug.counts
        yield "relay", self._cloud.relayed
        yield "cloud_events", self._cloud.carried
        yield "nodes", self._nodes.counts
        yield "groups", self._groups.counts
        yield "tap", self._kernel.store.tap.counts
        yield "uploads", self._uploads.counts
        yield "actions", self._actions.counts
        yield from self._lessons.counts()
        yield from self._tunings.counts()
        if (door := self._mqtt.door) is not None:
            yield "mqtt", door.counts
            yield "link", door.link.counts
            yield "telemetry_refused", door.refusals.counts

    def gauges(self) -> Iterator[tuple[str, str, float]]:
        """Name, help and value of now."""
        kernel = self._kernel
        yield "devices", "Devices with a twin", len(kernel.twins)
        for state, number in self._presence.states().items():
            yield f"devices_{state}", f"Devices that are {state}", number
        yield "rules", "Rules that hold", len(kernel.rules.detectors)
        yield "rules_instances", "Instances of rules", kernel.rules.instances
        yield "rules_turned_away", "Facts that would have made an instance too many", kernel.rules.turned_away
        yield "rules_quarantined", "Rules that are not evaluated, as they hold up all others", kernel.rules.quarantined
        yield "rules_skipped", "Inputs that rules in quarantine were not evaluated for", kernel.rules.skipped
        yield "streams", "Queries and pipelines that hold", len(kernel.streams)
        yield "streams_keys", "Keys that queries keep windows of", kernel.streams.keys
        yield "streams_held", "Points that wait in pipelines", kernel.streams.held
        yield "timers", "Timers of rules and queries that are pending", len(kernel.timers)
        yield "journal_pressure", "Rows waiting for the disk, in parts of the limit", kernel.store.journal.pressure
        yield "points_unsealed", "Points in memory and in state.db's log alone", len(kernel.store.points)
        yield "segments", "Sealed files", len(kernel.store.segments.known)
        yield "segments_bytes", "Bytes of sealed files", sum(one.bytes for one in kernel.store.segments.known)
        yield "cloud_pending", "Devices with news that the cloud has not confirmed", self._cloud.view().pending
        yield "mappers_pending", "Devices and models of which a mapper has yet to hear", self._mappers.pending
        yield from self._uploads.gauges()
        yield "actions_pending", "Actions of rules that wait or are under way", len(self._actions.lanes)
        yield "actions_away", "Targets of actions that did not answer last time", len(self._actions.lanes.away)
        yield from self._board.gauges()
        yield from self._lessons.gauges()
        yield "ready", "1 when recovered and open", float(self._ready.is_set())

    def troubles(self) -> Iterator[tuple[str, str]]:
        """What parts that run have to complain of, by the name of the part."""
        if self._mqtt.trouble:
            yield "mqtt", self._mqtt.trouble
        if self._mappers.trouble:
            yield "mappers", self._mappers.trouble
        if fault := self._kernel.store.journal.fault:
            yield "store", f"nothing can be written: {fault}; free some space, it goes on by itself"
        for trouble in self._uploads.troubles:
            yield "uploads", trouble
        for trouble in self._lessons.troubles:
            yield "learning", trouble
        for trouble in self._tunings.troubles:
            yield "tuning", trouble
        cloud = self._cloud.view()
        if cloud.state in {"cut", "connecting"}:
            yield "cloud", f"{cloud.reason}; what changes here is kept and sent later"
