"""The host: hears what nodes say, before the others who read topics."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct

from devices.sparkplug import datatype as types
from devices.sparkplug.birth import Birth
from devices.sparkplug.declaration import is_ours, joined, manifests
from devices.sparkplug.heard import Arrival, Heard
from devices.sparkplug.manifest import Sparkplug
from devices.sparkplug.sessions import Sessions
from devices.sparkplug.topic import PREFIX, Place, filters, granted, read, unfolded
from devices.telemetry.grants import Topics
from gateway.manifests.registry import Registry
from gateway.messaging import Plain
from gateway.sparkplug.places import Places
from gateway.sparkplug.rebirths import Rebirths
from gateway.sparkplug.voice import Messages, Mute, Voice
from runtime.clock import Clock
from runtime.mailbox import Mailbox, Policy
from twins.digest import digest
from twins.errors import Rejected
from twins.exchange import Outcome
from twins.stimuli import Stimulus
from twins.topic import disjoint
from twins.twin import Twins
from twins.values import device_id

logger = logging.getLogger(__name__)

WAITING = 4096
"""Births that wait to become manifests; the newest of a device counts."""
NO_CODEC = "Sparkplug needs protobuf: pip install 'gemelo[sparkplug]'"
_SHOWN = 200


class _Told(Struct, frozen=True):
    """A birth with the manifests that follow from it; none of a device that a person declared."""

    birth: Birth
    manifests: tuple[dict[str, Any], ...]


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
        self._others = others
        self._registry = registry
        self._twins = twins
        self._clock = clock
        self._settled = settled
        self._voice: Voice = Mute()
        self._heard_by = 0
        self._hosts: dict[str, Sparkplug] = {}
        self._own: frozenset[str] = frozenset()
        self._places = Places(registry, twins, self._moved)
        self.sessions = Sessions(self._places)
        self._rebirths = Rebirths(self.sessions.counts, lambda messages: self._voice.say(messages), clock)
        self._births: Mailbox[_Told] = Mailbox("births", WAITING, Policy.KEEP_LATEST, key=lambda t: t.birth.device)

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
        self._places.follow(device, manifest)

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
            self._rebirths.ask(place.above, heard.ask)
        return [*others, *heard.stimuli]

    def commands(self, device: str, values: Mapping[str, str]) -> Messages:
        """Messages that ask these desired values of a device: topics and payloads."""
        return [*self._others.commands(device, values), *self._commands(device, values)]

    def granted(self, device: str, reserved: Collection[str] = ()) -> Topics:
        """What a device may write and read: a node its own topics and those of its devices."""
        others = self._others.granted(device, self._own.union(reserved))
        place = self._places.of(device) or self._expected(device)
        if place is None or (self._places.device(place) or device) != device or self._host(place.group) is None:
            return others
        return others + granted(place)

    async def run(self) -> None:
        """Make manifests of births and ask for births, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._declare(), name="sparkplug.births")
            group.create_task(self._rebirths.run(), name="sparkplug.rebirths")

    def _read(self, host: Sparkplug, verb: str, place: Place, body: bytes, arrival: Arrival) -> Heard:
        try:
            from devices.sparkplug.payload import decode
        except ImportError:
            raise Rejected(NO_CODEC) from None
        if self._voice.connects != self._heard_by:
            self._heard_by = self._voice.connects
            self.sessions.forget()
        if verb.endswith("BIRTH") and len(self._births) >= WAITING:  # the oldest would go, and never be declared
            raise Rejected(
                f"{place.source}: {WAITING} births wait for the store; its node is asked when it speaks again"
            )
        device = self._places.device(place) or device_id(host.spec.namespace, place.name)
        heard = self.sessions.read(verb, place, device, decode(body), arrival)
        if heard.birth is not None:
            bodies = self._manifests(heard.birth)
            self._births.offer_nowait(_Told(heard.birth, bodies))
            if bodies:
                heard.stimuli.insert(0, joined(heard.birth, bodies, arrival))
        return heard

    def _moved(self, device: str, before: Place | None) -> None:
        """Another place is the device's now."""
        if before is not None:
            self.sessions.drop(device, before)
        self._voice.regrant()

    def _expected(self, device: str) -> Place | None:
        """The node that a device will be by its name; `None` where none would become this one."""
        namespace, _, name = device.partition("/")
        place = unfolded(name)
        host = None if place is None else self._host(place.group)
        return place if host is not None and host.spec.namespace == namespace else None

    def _host(self, group: str) -> Sparkplug | None:
        """Whose group it is: those that name it come first."""
        return next((h for h in self._hosts.values() if group in h.spec.groups or not h.spec.groups), None)

    def _commands(self, device: str, values: Mapping[str, str]) -> Messages:
        place = self._places.of(device)
        host = None if place is None else self._host(place.group)
        if place is None or host is None or not host.spec.commands:
            return ()
        definitions = self.sessions.definitions(place)
        if definitions is None:
            self._rebirths.ask(place.above, "something is desired of a device whose birth was not heard")
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

    async def _declare(self) -> None:
        while True:
            for told in await self._births.take(64):
                device, place = told.birth.device, told.birth.place
                try:
                    self._places.claim(device, place)  # a person may have been faster
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
            self._voice.say(messages)

    def _manifests(self, birth: Birth) -> tuple[dict[str, Any], ...]:
        """Model and device; none of a device that a person declared."""
        body = self._registry.body("Device", birth.device)
        return () if body is not None and not is_ours(body) else tuple(manifests(birth))
