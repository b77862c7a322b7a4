"""Devices, models and twins as Kubernetes' objects, for the edge API, and what is written there.

What is desired of a device has one owner, its twin: reading `spec.properties[].desired` reads the twin, and writing it
writes the twin, where it counts as changed at the edge; so it goes to the cloud as every such change does, once that
can be reached. All else of an object that the cloud manages is changed there alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from gateway import wiring
from gateway.causes import Causes
from gateway.committed import Committed
from gateway.config import Config
from gateway.core import Core
from gateway.doors import Run
from gateway.manifests.kinds import KINDS
from gateway.manifests.registry import Registry
from gateway.manifests.schemas import schema
from gateway.manifests.standing import manifest_of, standing, timestamp
from gateway.operations import Operations
from runtime.clock import Clock
from twins.errors import Rejected
from twins.manifests import API, owned
from twins.pruning import pruned
from twins.values import Twin
from web.kubernetes.mirror import Mirror
from web.kubernetes.server import EdgeApi

Manifest = dict[str, Any]
NOTE = "kubectl.kubernetes.io/last-applied-configuration"
KEPT = "gemelo.dev/last-applied-configuration"
"""Where the note of `kubectl apply` is kept: under its own name it is taken for a cluster's, and dropped."""
CLOUDS = "is managed by the cloud: only spec.properties[].desired can be changed here; change all else there"


class Edge:
    """Implements `web.kubernetes.ports.Objects`, and tells the API that is open what changed."""

    def __init__(self, core: Core, registry: Registry, operations: Operations, clock: Clock, causes: Causes) -> None:
        self._core = core
        self._registry = registry
        self._operations = operations
        self._clock = clock
        self._causes = causes
        self._node = ""
        self._mirror: Mirror | None = None
        registry.watch("Device", lambda name, _: self._touch("Device", name))
        registry.watch("DeviceModel", lambda name, _: self._touch("DeviceModel", name))

    def door(self, config: Config) -> Run | None:
        """Raises `Rejected` for a section that cannot be meant."""
        section = wiring.edge_api(config)
        if section is None:
            return None
        self._node = config.node.name
        first = self._causes.boot << 32  # beyond every version of earlier starts, which clients may still name
        api = EdgeApi(section, self, self._clock, version=wiring.product_version(), first=first)

        async def run() -> None:
            self._mirror = api.mirror
            try:
                await api.run()
            finally:
                self._mirror = None

        return run

    def tell(self, committed: Committed) -> None:
        if self._mirror is None:
            return
        for device in committed.changed:
            self._mirror.touch("Device", device)
            self._mirror.touch("DeviceStatus", device)
        for status in committed.statuses:
            self._mirror.touch("DeviceStatus", status.device)

    # -- what there is ---------------------------------------------------------------------------------------------

    def names(self, kind: str) -> Iterable[str]:
        if kind == "DeviceModel":
            return [name for name, _ in self._registry.of(kind)]
        twins = [twin.device for twin in self._core.twins]
        return twins if kind == "DeviceStatus" else {**dict.fromkeys(twins), **dict(self._registry.of(kind))}

    def read(self, kind: str, name: str) -> Manifest | None:
        twin = None if kind == "DeviceModel" else self._core.twins.get(name)
        manifest = self._status(twin) if kind == "DeviceStatus" else self._declared(kind, name, twin)
        return None if manifest is None else {"apiVersion": API, "kind": kind} | manifest

    def schema(self, kind: str) -> dict[str, Any]:
        return schema(kind)

    def _declared(self, kind: str, name: str, twin: Twin | None) -> Manifest | None:
        """A Device or a DeviceModel; a device that nobody declared is one too."""
        body = self._registry.body(kind, name)
        if body is None and twin is not None and not self._registry.is_device(name):
            body = manifest_of(twin)
        if body is None:
            return None
        found = {"metadata": self._metadata(kind, name, body["metadata"], twin), "spec": body.get("spec") or {}}
        if twin is not None and (properties := _properties(found)):
            found["spec"]["properties"] = [_asked(p, twin) for p in properties]
        if kind == "Device" and (conditions := self._registry.conditions(name)):
            told = [{"reason": each.reason, "message": each.message} for each in conditions]
            found["status"] = {"conditions": told}
        return found

    def _status(self, twin: Twin | None) -> Manifest | None:
        """KubeEdge's DeviceStatus of a twin, with empty sides as CloudCore writes them."""
        if twin is None:
            return None
        status = standing(twin) | ({"state": twin.status} if twin.status else {})
        for each in status.get("twins", ()):
            each.setdefault("observedDesired", {"value": ""})
            each.setdefault("reported", {"value": ""})
        metadata = self._metadata("DeviceStatus", twin.device, {}, twin)
        device = self._registry.body("Device", twin.device)
        if device is not None or not self._registry.is_device(twin.device):
            said = {} if device is None else device["metadata"]
            owner = {"apiVersion": API, "kind": "Device", "blockOwnerDeletion": True, "controller": True}
            about = {"name": metadata["name"], "uid": self._uid("Device", twin.device, said, twin)}
            metadata["ownerReferences"] = [owner | about]
        return {"metadata": metadata, "spec": {}, "status": status}

    def _metadata(self, kind: str, name: str, said: Manifest, twin: Twin | None) -> Manifest:
        """What the manifest says, and what a cluster would add."""
        namespace, _, own = name.partition("/")
        metadata: Manifest = {"name": own, "namespace": namespace, "uid": self._uid(kind, name, said, twin)}
        if twin is not None and twin.joined:
            metadata["creationTimestamp"] = timestamp(twin.joined)
        metadata |= {key: said[key] for key in ("generation", "labels", "annotations") if said.get(key)}
        return _renamed(metadata, KEPT, NOTE)

    def _uid(self, kind: str, name: str, said: Manifest, twin: Twin | None) -> str:
        """The cloud's, else one that is the same after a restart, and another for a device that is made anew."""
        born = 0 if twin is None else twin.joined
        return said.get("uid") or str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self._node}/{kind}/{name}/{born}"))

    # -- what is written -------------------------------------------------------------------------------------------

    async def write(self, manifest: Manifest, *, dry: bool = False) -> None:
        kind = manifest["kind"]
        name = f"{manifest['metadata']['namespace']}/{manifest['metadata']['name']}"
        where = f"{kind} {name}"
        own = owned(manifest | {"metadata": _renamed(manifest["metadata"], NOTE, KEPT)})
        try:
            if self._is_clouds(kind, name):
                self._check_clouds(kind, name, own, where)
            elif dry:
                self._registry.check([(where, own)])
            else:
                await self._registry.apply(own, where)
        except Rejected as error:
            raise Rejected(error.reason.removeprefix(f"{where}: "), error.code) from error
        if kind == "Device" and not dry:
            await self._ask(name, _properties(own))

    async def delete(self, kind: str, name: str) -> None:
        if self._is_clouds(kind, name):
            raise Rejected("is managed by the cloud: delete it there", 403)
        await self._operations.delete(kind, name)

    def _is_clouds(self, kind: str, name: str) -> bool:
        """True for what the cloud manages: objects of its own, and devices of which it sent none that we can read."""
        body = self._registry.body(kind, name)
        if body is not None:
            return bool(body["metadata"].get("uid"))
        twin = self._core.twins.get(name)
        return kind == "Device" and twin is not None and twin.origin == "cloud"

    def _check_clouds(self, kind: str, name: str, own: Manifest, where: str) -> None:
        """Raise `Rejected` unless the manifest changes what is desired alone, and that can be asked.

        Fields of a newer cluster, which we do not know, may be there as it sent them, or not be there.
        """
        held, known = self._registry.body(kind, name), _known(kind, own)
        self._registry.check([(where, known)])
        if held is not None and known != own and _beside(held) != _beside(own):
            self._registry.check([(where, own)])  # raises, with the field that is not known
        if held is None or _beside(_known(kind, held)) != _beside(known):
            raise Rejected(CLOUDS, 403)
        if kind == "Device" and self._core.twins.get(name) is None:
            raise Rejected("it waits for its model, which the cloud has not sent: nothing can be asked of it yet", 409)

    async def _ask(self, device: str, properties: Iterable[Manifest]) -> None:
        """Desire what a Device says where the twin desires something else."""
        twin = self._core.twins.get(device)
        values = {} if twin is None else dict(_differing(twin, properties))
        if values:
            await self._operations.set_desired(device, values, "edge")

    def _touch(self, kind: str, name: str) -> None:
        if self._mirror is not None:
            self._mirror.touch(kind, name)
            if kind == "DeviceModel":
                for device, manifest in self._registry.of("Device"):
                    if manifest.model == name:
                        self._mirror.touch("Device", device)  # its conditions may be others


def _asked(said: Manifest, twin: Twin) -> Manifest:
    """A property of a Device with what its twin desires; the manifest's own while the twin was never asked."""
    held = twin.properties.get(said.get("name", ""))
    if held is None or held.deleted or held.desired is None:
        return said
    if not held.desired.value:
        return {key: value for key, value in said.items() if key != "desired"}
    return said | {"desired": (said.get("desired") or {}) | {"value": held.desired.value}}


def _properties(manifest: Manifest) -> list[Manifest]:
    return (manifest.get("spec") or {}).get("properties") or []


def _differing(twin: Twin, properties: Iterable[Manifest]) -> Iterable[tuple[str, str]]:
    for each in properties:
        name, wanted = each["name"], (each.get("desired") or {}).get("value", "")
        held, declared = twin.properties.get(name), twin.declared.get(name)
        has = held.desired.value if held is not None and held.desired is not None else ""
        if wanted != has and not (declared is not None and declared.withheld):
            yield name, wanted


def _known(kind: str, manifest: Manifest) -> Manifest:
    """A manifest without fields of its spec that we do not know."""
    shape = KINDS[kind].shape
    if shape is None or "spec" not in manifest:
        return manifest
    return manifest | {"spec": pruned(manifest, shape)["spec"]}


def _beside(manifest: Manifest) -> Manifest:
    """A manifest without what may be changed here, and without what says the same by being there or not."""
    metadata, spec = owned(manifest)["metadata"], dict(manifest.get("spec") or {})
    notes = {key: note for key, note in (metadata.get("annotations") or {}).items() if key != KEPT}
    spec["properties"] = [{k: v for k, v in p.items() if k != "desired"} for p in _properties(manifest)]
    return {"spec": spec, "labels": metadata.get("labels") or {}, "annotations": notes}


def _renamed(metadata: Manifest, old: str, new: str) -> Manifest:
    """The metadata with an annotation under another name."""
    notes = metadata.get("annotations")
    if not isinstance(notes, dict) or old not in notes:
        return metadata
    return metadata | {"annotations": {new if key == old else key: note for key, note in notes.items()}}
