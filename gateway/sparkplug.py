"""Sparkplug in the gateway: births become manifests, desired values commands, and what is amiss a request for a birth.

The manifests are the memory of which device is whose: an annotation names the one place whose messages it is made of,
and a device of any other origin is not touched. What the births said is kept in memory alone, so after a start each
node is asked again when it first speaks, or when something is desired of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from devices.sparkplug import datatype as types
from devices.sparkplug.birth import Birth
from devices.sparkplug.declaration import description, is_ours, joined, manifests
from devices.sparkplug.manifest import Sparkplug
from devices.sparkplug.sessions import NODES, REBIRTH, Arrival, Heard, Sessions
from devices.sparkplug.topic import ANNOTATION, PREFIX, Place, filters, granted, place_of, read, unfolded
from devices.telemetry.grants import Topics
from devices.telemetry.topic import disjoint
from gateway.manifests.registry import Registry
from gateway.messaging import Plain
from runtime.clock import Clock
from runtime.mailbox import Mailbox, Policy
from twins.errors import Rejected
from twins.exchange import Outcome
from twins.kubeedge.reader import digest
from twins.stimuli import Stimulus
from twins.twin import Twins
from twins.values import device_id

logger = logging.getLogger(__name__)

Messages = Sequence[tuple[str, bytes]]
WAITING = 4096
"""Births that wait to become manifests, and nodes that wait to be asked; the newest of each counts."""
MOST = 10_000
"""Devices here beyond which no birth makes another, but for those on their way then."""
PATIENCE = 10.0
"""Seconds in which a node is asked for its birth once."""
PACE = 0.05
"""Seconds between two nodes that are asked: after a start every one is, and each answers with all it has."""
NO_CODEC = "Sparkplug needs protobuf: pip install 'gemelo[sparkplug]'"
_SHOWN = 200


class _Told(Struct, frozen=True):
    """A birth with the manifests that follow from it; none of a device that a person declared."""

    birth: Birth
    manifests: tuple[dict[str, Any], ...]


class Voice(Protocol):
    """Where messages go out: `Messaging`."""

    @property
    def connects(self) -> int:
        """Another number after each connection to the broker."""
        ...

    def say(self, messages: Messages) -> None: ...

    def regrant(self) -> None:
        """What devices are granted may be something else now."""
        ...


class SparkplugHost:
    """Stands before the others who read topics: hears what they hear, and the nodes of its manifests.

    `settled` returns when what was offered before is committed. It is mute before `speak_by`.
    """

    def __init__(
        self,
        others: Plain,
        registry: Registry,
        twins: Twins,
        clock: Clock,
        settled: Callable[[], Awaitable[Outcome]],
    ) -> None:
        self.sessions = Sessions(self)
        self._others = others
        self._registry = registry
        self._twins = twins
        self._clock = clock
        self._settled = settled
        self._voice: Voice | None = None
        self._heard_by = 0
        self._hosts: dict[str, Sparkplug] = {}
        self._own: frozenset[str] = frozenset()
        self._places: dict[str, Place] = {}
        self._names: dict[Place, str] = {}
        self._asked: dict[Place, float] = {}
        self._births: Mailbox[_Told] = Mailbox("births", WAITING, Policy.KEEP_LATEST, key=lambda t: t.birth.device)
        self._asks: Mailbox[Place] = Mailbox("rebirths", WAITING, Policy.KEEP_LATEST, key=lambda place: place)

    def speak_by(self, voice: Voice) -> None:
        """Publish there, and say there when a node's rights are others: it hears by us, so it is made after us."""
        self._voice = voice

    def apply(self, name: str, host: Sparkplug | None) -> None:
        """Take up a `Sparkplug`; `None`: it is gone, and what it made stays."""
        self._hosts.pop(name, None)
        if host is not None:
            self._hosts[name] = host
        self._hosts = dict(sorted(self._hosts.items(), key=lambda each: (not each[1].spec.groups, each[0])))
        self._own = frozenset(f for each in self._hosts.values() for f in filters(each.spec.groups or ("+",)))
        self.sessions.forget()

    def follow(self, device: str, manifest: Any) -> None:
        """A Device changed or went: note whose it is now."""
        before = self._places.pop(device, None)
        place = None if manifest is None else place_of(manifest.metadata.annotations.get(ANNOTATION, ""))
        if before is not None and before != place:
            self.sessions.drop(device, before)
            if self._names.get(before) == device:
                del self._names[before]
        if place is not None:
            self._places[device] = place
            self._names.setdefault(place, device)
        if before != place and self._voice is not None:
            self._voice.regrant()

    @property
    def filters(self) -> frozenset[str]:
        """What to subscribe to, so that each message comes once."""
        return disjoint(self._others.filters | self._own)

    def read(
        self, topic: str, payload: bytes, cause: str, seen: int, *, packet: int = 0, duplicate: bool = False
    ) -> Sequence[Stimulus]:
        """What a message means here and to the others. Raises `Rejected`."""
        others = self._others.read(topic, payload, cause, seen, packet=packet, duplicate=duplicate)
        if not self._hosts or not topic.startswith(PREFIX) or (found := read(topic)) is None:
            return others
        verb, place = found
        host = self._host(place.group)
        if host is None:
            return others
        arrival = Arrival(cause, seen, digest(topic, payload, packet), duplicate)
        heard = self._read(host, verb, place, payload, arrival)
        if heard.ask and host.spec.commands:
            self._ask(place.above, heard.ask)
        return [*others, *heard.stimuli]

    def commands(self, device: str, values: Mapping[str, str]) -> Messages:
        """Messages that ask these desired values of a device: topics and payloads."""
        return [*self._others.commands(device, values), *self._commands(device, values)]

    def granted(self, device: str, reserved: Collection[str] = ()) -> Topics:
        """What a device may write and read: a node its own topics and those of its devices."""
        others = self._others.granted(device, self._own.union(reserved))
        place = self._places.get(device) or self._expected(device)
        if place is None or self._names.get(place, device) != device or self._host(place.group) is None:
            return others
        return others + granted(place)

    def claim(self, device: str, place: Place) -> None:
        """Raise `Rejected` when the device, or the name of its model, is another's; and when there are too many."""
        body = self._registry.body("Device", device)
        twin = self._twins.get(device)
        if body is None:
            free = twin is None or twin.description == description(place)
        else:
            free = (body["metadata"].get("annotations") or {}).get(ANNOTATION) == place.source
        if not free:
            raise Rejected(
                f"{place.source}: the device {device} is another's; "
                f"to make it this one's, give its manifest the annotation {ANNOTATION}: {place.source}"
            )
        if body is None and twin is None and len(self._twins) >= MOST:
            many = f"{len(self._twins)} devices are here, and beyond {MOST} no birth makes another"
            raise Rejected(f"{place.source}: {many}: declare it, or delete some")
        model = self._registry.body("DeviceModel", device)
        if model is not None and not is_ours(model) and (body is None or is_ours(body)):
            raise Rejected(f"{place.source}: the DeviceModel {device} is a person's")

    def devices(self, place: Place) -> Iterable[str]:
        """The devices that are made of the place, and of what is below it."""
        return [d for d, each in self._places.items() if each == place or (not place.device and each.above == place)]

    async def run(self) -> None:
        """Make manifests of births and ask for births, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._declare(), name="sparkplug.births")
            group.create_task(self._inquire(), name="sparkplug.rebirths")

    def _read(self, host: Sparkplug, verb: str, place: Place, body: bytes, arrival: Arrival) -> Heard:
        try:
            from devices.sparkplug.payload import decode
        except ImportError:
            raise Rejected(NO_CODEC) from None
        if self._voice is not None and self._voice.connects != self._heard_by:
            self._heard_by = self._voice.connects
            self.sessions.forget()
        if verb.endswith("BIRTH") and len(self._births) >= WAITING:  # the oldest would go, and never be declared
            raise Rejected(
                f"{place.source}: {WAITING} births wait for the store; its node is asked when it speaks again"
            )
        device = self._names.get(place) or device_id(host.spec.namespace, place.name)
        heard = self.sessions.read(verb, place, device, decode(body), arrival)
        if heard.birth is not None:
            bodies = self._manifests(heard.birth)
            self._births.offer_nowait(_Told(heard.birth, bodies))
            if bodies:
                heard.stimuli.insert(0, joined(heard.birth, bodies, arrival))
        return heard

    def _expected(self, device: str) -> Place | None:
        """The node that a device will be by its name; `None` where none would become this one."""
        namespace, _, name = device.partition("/")
        place = unfolded(name)
        host = None if place is None else self._host(place.group)
        return place if host is not None and host.spec.namespace == namespace else None

    def _host(self, group: str) -> Sparkplug | None:
        """Whose group it is: those that name it come first."""
        return next((h for h in self._hosts.values() if group in h.spec.groups or not h.spec.groups), None)

    def _ask(self, node: Place, reason: str) -> None:
        """Ask a node for its birth, unless that was done a moment ago."""
        now = self._clock.monotonic()
        if now - self._asked.get(node, -PATIENCE) < PATIENCE:
            self.sessions.counts.held += 1
            return
        self._asked.pop(node, None)
        while len(self._asked) >= NODES:
            del self._asked[next(iter(self._asked))]
        self._asked[node] = now
        self.sessions.counts.asked += 1
        logger.info("node %s is asked for its birth: %s", node.source[:_SHOWN], reason)
        self._asks.offer_nowait(node)

    def _commands(self, device: str, values: Mapping[str, str]) -> Messages:
        place = self._places.get(device)
        host = None if place is None else self._host(place.group)
        if place is None or host is None or not host.spec.commands:
            return ()
        definitions = self.sessions.definitions(place)
        if definitions is None:
            self._ask(place.above, "something is desired of a device whose birth was not heard")
            return ()
        from devices.sparkplug.payload import Metric, command

        counts, now = self.sessions.counts, self._clock.now() // 1000
        metrics = []
        for name, wanted in values.items():
            d = definitions.get(name)
            if d is None or not d.writable or not wanted:
                continue
            try:
                value = types.value(d.datatype, wanted)
            except Rejected as error:
                counts.unsent += 1
                logger.warning("%s can't be asked for %s: %s", device, name, error.reason)
                continue
            counts.commands += 1
            metrics.append(Metric("" if d.alias is not None else d.name, d.alias, now, d.datatype, value))
        return [(place.command, command(metrics, now))] if metrics else ()

    def _say(self, messages: Messages) -> None:
        if self._voice is not None:
            self._voice.say(messages)

    async def _inquire(self) -> None:
        while True:
            for node in await self._asks.take(1):
                try:
                    from devices.sparkplug.payload import Metric, command
                except ImportError:  # which is told when a node speaks
                    continue
                now = self._clock.now() // 1000
                metric = Metric(REBIRTH, None, now, types.BOOLEAN, value=True)
                self._say([(node.command, command([metric], now))])
                await self._clock.sleep(PACE)

    async def _declare(self) -> None:
        while True:
            for told in await self._births.take(64):
                device, place = told.birth.device, told.birth.place
                try:
                    self.claim(device, place)  # a person may have been faster
                    for manifest in told.manifests:
                        await self._registry.apply(manifest, place.source)
                    await self._settled()
                except Rejected as error:
                    logger.warning("%s is not declared: %s", device, error.reason[:_SHOWN])
                    self.sessions.drop(device, place)
                except TimeoutError:
                    logger.warning("%s is not declared yet: the store is behind", device)
                self._repeat(device)

    def _repeat(self, device: str) -> None:
        """What is desired of a device and not yet done: it may not have heard of it before its birth."""
        twin = self._twins.get(device)
        if twin is None:
            return
        wanted = {n: p.desired.value for n, p in twin.properties.items() if p.drifts and p.desired is not None}
        if wanted and (messages := self._commands(device, wanted)):
            self._say(messages)

    def _manifests(self, birth: Birth) -> tuple[dict[str, Any], ...]:
        """Model and device; none of a device that a person declared."""
        body = self._registry.body("Device", birth.device)
        return () if body is not None and not is_ours(body) else tuple(manifests(birth))
