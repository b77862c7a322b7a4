"""Discovery: what devices tell of themselves on MQTT becomes manifests, applied like a person's.

The manifests are the whole memory: what was discovered is listed, kept and deleted as everything else is. Retained
messages tell of all devices again when a `Discovery` is applied anew.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from devices.telemetry import homeassistant as ha
from devices.telemetry.grants import DISCOVERED, Topics
from devices.telemetry.mappings import Mappings
from gateway.manifests.registry import Registry
from runtime.mailbox import Mailbox, Policy
from twins.errors import Rejected
from twins.stimuli import Stimulus
from twins.topic import disjoint

logger = logging.getLogger(__name__)

WAITING = 4096
"""Messages that wait to become manifests; the newest of a topic counts."""
MOST = {"Device": 1000, "Mapping": 4000}
"""Manifests of a kind that are made of messages: whoever may publish could go on for ever."""
ENTITIES = 256
"""Properties that a device is given so."""
TOPIC = 640
"""Characters of a topic that tells of one."""
_SHOWN = 200


class _Told(NamedTuple):
    topic: str
    payload: bytes
    discovery: ha.Discovery


class Discoverer:
    """Stands before the mappings: hears what they hear, and discovery's topics too."""

    def __init__(self, mappings: Mappings, registry: Registry) -> None:
        self._mappings = mappings
        self._registry = registry
        self._discoveries: dict[str, ha.Discovery] = {}
        self._own: frozenset[str] = frozenset()
        self._waiting: Mailbox[_Told] = Mailbox("discovery", WAITING, Policy.KEEP_LATEST, key=lambda told: told.topic)

    def apply(self, name: str, discovery: ha.Discovery | None) -> None:
        """Take up a `Discovery`; `None`: it is gone, and what it found stays."""
        self._discoveries.pop(name, None)
        if discovery is not None:
            self._discoveries[name] = discovery
        self._own = frozenset(f for each in self._discoveries.values() for f in each.filters)

    @property
    def filters(self) -> frozenset[str]:
        """What to subscribe to, so that each message comes once."""
        return disjoint(self._mappings.filters | self._own)

    def read(
        self, topic: str, payload: bytes, cause: str, seen: int, *, packet: int = 0, duplicate: bool = False
    ) -> Sequence[Stimulus]:
        """What a message means to the mappings; discovery's wait to become manifests. Raises `Rejected`."""
        if topic.endswith("/config"):
            for discovery in self._discoveries.values():
                prefix = f"{discovery.spec.prefix}/"
                if topic.startswith(prefix) and topic.count("/", len(prefix)) in (2, 3):
                    if len(payload) > ha.BODY_LIMIT or len(topic) > TOPIC:
                        raise Rejected(f"discovery of {len(payload)} bytes: {ha.BODY_LIMIT} are allowed")
                    self._waiting.offer_nowait(_Told(topic, payload, discovery))
        return self._mappings.read(topic, payload, cause, seen, packet=packet, duplicate=duplicate)

    def commands(self, device: str, values: Mapping[str, str]) -> Sequence[tuple[str, bytes]]:
        """Messages that ask these desired values of a device: topics and payloads."""
        return self._mappings.commands(device, values)

    def granted(self, device: str, reserved: Collection[str] = ()) -> Topics:
        """What a device may write and read: whoever writes on discovery's own topics can speak of any device."""
        return self._mappings.granted(device, self._own.union(reserved))

    async def run(self) -> None:
        """Make manifests of what was told, until cancelled."""
        while True:
            for told in await self._waiting.take(64):
                try:
                    await self._take(told)
                except Rejected as error:
                    logger.info("not discovered: %r: %s", told.topic[:_SHOWN], error.reason[:_SHOWN])
                except TimeoutError:
                    logger.warning("not discovered yet: %r: the store is behind", told.topic[:_SHOWN])

    async def _take(self, told: _Told) -> None:
        spec = told.discovery.spec
        found = ha.entity(told.topic, spec.prefix, told.payload)
        if isinstance(found, str):
            await self._forget(found)
            return
        namespace = spec.namespace
        device = self._body("Device", namespace, found.device)
        if device is None or _is_ours(device):
            model = self._body("DeviceModel", namespace, found.device)
            if model is not None and not _is_ours(model):
                raise Rejected(f"the DeviceModel {namespace}/{found.device} is a person's")
            self._check_room("Device", device)
            properties = [] if model is None else model["spec"].get("properties", [])
            if len(properties) >= ENTITIES and all(p["name"] != found.name for p in properties):
                raise Rejected(f"{found.device} has {ENTITIES} properties, as many as discovery gives a device")
            await self._registry.apply(ha.with_model(model, found, namespace), told.topic)
            await self._registry.apply(ha.with_device(found, namespace), told.topic)
        known = self._body("Mapping", namespace, ha.mapping_name(found.device, found.topic))
        self._check_room("Mapping", known)
        await self._registry.apply(ha.with_mapping(known, found, namespace), told.topic)
        if found.availability is not None:
            known = self._body("Mapping", namespace, ha.mapping_name(found.device, found.availability.topic))
            self._check_room("Mapping", known)
            await self._registry.apply(ha.with_state(known, found, namespace), told.topic)

    async def _forget(self, entity: str) -> None:
        """Its values come no more; the device stays, with what it said last."""
        for body in self._registry.bodies("Mapping").values():
            if _is_ours(body) and entity in body["metadata"].get("annotations", {}).values():
                left = ha.without(body, entity)
                if left is not None:
                    await self._registry.apply(left, entity)
                else:
                    metadata = body["metadata"]
                    await self._registry.delete("Mapping", f"{metadata['namespace']}/{metadata['name']}")

    def _check_room(self, kind: str, known: Mapping[str, Any] | None) -> None:
        """Raise `Rejected` for one more of a kind than is made of messages."""
        if known is not None:
            return
        if sum(each.metadata.labels.get(DISCOVERED) == ha.OURS for _, each in self._registry.of(kind)) >= MOST[kind]:
            raise Rejected(f"{MOST[kind]} manifests of kind {kind} were discovered: no more are made; delete some")

    def _body(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        return self._registry.body(kind, f"{namespace}/{name}")


def _is_ours(body: Mapping[str, Any]) -> bool:
    return bool((body["metadata"].get("labels") or {}).get(DISCOVERED) == ha.OURS)
