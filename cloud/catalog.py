"""The Devices and DeviceModels the cloud gave us, and what each message about them means for the twins. Pure.

The catalog is rebuilt from the manifests on disk, so a redelivery is known for one after a restart too. Nothing is
taken into it before its commit: `step` says what a message asks for, `keep` takes it in once that is on disk.
Membership is derived from the Device objects, whoever sends them: a reconciling cloud sends no membership message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from cloud.manifest import (
    Device,
    Manifest,
    Meta,
    Model,
    declare,
    newer,
    parse_device,
    parse_model,
    read,
    rhythm_of,
    uid,
)
from cloud.messages import Members, Object, TwinUpdate
from cloud.past import Past
from twins.exchange import Event
from twins.kubeedge.wishes import attributes, synchronised, wishes
from twins.stimuli import Admitted, Enumerated, Joined, Left, Noted, Stimulus

Key = tuple[str, str]
"""(kind, `namespace/name`), as manifests are kept on disk."""
_KINDS = {"device": "Device", "devicemodel": "DeviceModel"}


class Step(Struct, frozen=True):
    """What one message asks for: stimuli, and manifests to keep (bytes) or to drop (`None`) in the same commit."""

    stimuli: tuple[Stimulus, ...]
    manifests: dict[Key, bytes | None]


class Catalog:
    """What the cloud manages here. `manifests` are those found on disk; objects without a uid are local, not ours.

    A Device that names another node than `node` has left us: CloudCore's comparison sends it all the same.
    """

    def __init__(self, manifests: Mapping[Key, bytes], node: str = "") -> None:
        self._node = node
        self._devices: dict[str, Device] = {}
        self._models: dict[str, Model] = {}
        self.past = Past()
        self.undeclared: dict[str, tuple[str, ...]] = {}
        """Per device the properties that the cloud would drop."""
        for key, data in manifests.items():
            if key[0] in _KINDS.values() and uid(data):
                self._take(key, data)

    @property
    def devices(self) -> int:
        return len(self._devices)

    @property
    def pending(self) -> tuple[str, ...]:
        """Devices that wait for their model, and have no twin yet."""
        return tuple(sorted(name for name, one in self._devices.items() if one.model not in self._models))

    def knows(self, device: str) -> bool:
        """True for a device that the cloud manages here."""
        return device in self._devices

    def declared(self, device: str) -> frozenset[str]:
        """The properties the cloud takes reports of; empty for a device it does not know."""
        known = self._devices.get(device)
        return frozenset(one.name for one in known.spec.properties or ()) if known else frozenset()

    def note(self, device: str, undeclared: tuple[str, ...]) -> None:
        """What the cloud would drop of a device, if it is the cloud's; remembered as long as that."""
        if undeclared and device in self._devices:
            self.undeclared[device] = undeclared
        else:
            self.undeclared.pop(device, None)

    def step(self, message: Object | Members | TwinUpdate, cause: str, seen: int) -> Step | None:
        """What the message asks for; `None` for a repeat, an older version, or a kind of no use to us.

        Raises `Rejected` for an object that cannot be read.
        """
        if isinstance(message, Members):
            return self._membership(message, cause, seen)
        if isinstance(message, TwinUpdate):
            return Step((synchronised(message.device, message.content, cause, seen),), {})
        kind = _KINDS.get(message.kind)
        if kind is None:
            return None
        manifest = read(message, kind)
        name = f"{message.namespace}/{message.name}"
        known = (self._devices if kind == "Device" else self._models).get(name)
        if message.operation == "delete":
            return self._removal(kind, name, known, manifest, cause, seen)
        told: tuple[Stimulus, ...] = ()
        if known is not None and not newer(manifest.metadata, known.manifest.metadata):
            if not self._is_restored((kind, name), manifest.metadata, known.manifest.metadata, seen):
                return None
            told = (_restored(kind, name, manifest.metadata, known.manifest.metadata, cause, seen),)
        if kind == "Device" and self._is_elsewhere(parse_device(name, manifest)):
            return None if known is None else Step((Left(name, cause, seen),), {(kind, name): None})
        changed: dict[Key, bytes | None] = {(kind, name): msgspec.json.encode(manifest)}
        if kind == "Device":
            return Step((*self._device(name, known, manifest, cause, seen), *told), changed)
        return Step((*self._users(name, manifest, cause, seen), *told), changed)

    def keep(self, step: Step) -> None:
        """The step is on disk."""
        for key, data in step.manifests.items():
            if data is not None:
                self._take(key, data)
            else:
                self.forget(*key)

    def forget(self, kind: str, name: str) -> None:
        """It is not on disk any more."""
        self.past.forget((kind, name))
        if kind == "Device":
            self._devices.pop(name, None)
            self.undeclared.pop(name, None)
        elif kind == "DeviceModel":
            self._models.pop(name, None)

    def _take(self, key: Key, data: bytes) -> None:
        self.past.forget(key)
        manifest = msgspec.json.decode(data, type=Manifest)
        if key[0] == "Device":
            self._devices[key[1]] = parse_device(key[1], manifest)
        else:
            self._models[key[1]] = parse_model(manifest)

    def _is_restored(self, key: Key, said: Meta, ours: Meta, seen: int) -> bool:
        """Whether a version that is not newer than ours has to be taken all the same."""
        if said.resourceVersion == ours.resourceVersion:
            self.past.forget(key)
            return False
        return self.past.is_over(key, ours.resourceVersion, said.resourceVersion, seen)

    def _is_elsewhere(self, device: Device) -> bool:
        return bool(self._node) and device.spec.nodeName not in (None, "", self._node)

    def _removal(
        self, kind: str, name: str, known: Device | Model | None, manifest: Manifest, cause: str, seen: int
    ) -> Step | None:
        if known is None and kind == "Device":  # a member whose object never came
            return Step((Left(name, cause, seen, "cloud"),), {})
        if known is None or manifest.metadata.uid not in ("", known.manifest.metadata.uid):
            return None  # gone already, or an earlier object of the same name
        stimuli = (Left(name, cause, seen),) if kind == "Device" else ()
        return Step(stimuli, {(kind, name): None})

    def _device(
        self, name: str, known: Device | Model | None, manifest: Manifest, cause: str, seen: int
    ) -> Iterable[Stimulus]:
        device = parse_device(name, manifest)
        if known is not None and known.manifest.metadata.uid != manifest.metadata.uid:
            yield Left(name, cause, seen)  # deleted and made anew while we were away: another device
        if (model := self._models.get(device.model)) is not None:
            yield _joined(name, device, model, cause, seen)

    def _users(self, name: str, manifest: Manifest, cause: str, seen: int) -> Iterable[Stimulus]:
        """A model came or changed: its devices whose declaration differs now join (again)."""
        old, new = self._models.get(name), parse_model(manifest)
        for id_, device in self._devices.items():
            if device.model != name:
                continue
            if old is None or declare(device, old) != declare(device, new):
                yield _joined(id_, device, new, cause, seen)

    def _membership(self, message: Members, cause: str, seen: int) -> Step | None:
        """Matters for devices without an object alone: old clouds send no objects."""
        news = [member for member in message.added if member.id not in self._devices]
        stimuli: list[Stimulus] = [
            Admitted(m.id, cause, seen, m.description, m.state, attributes(m.attributes or {}), wishes(m.twin or {}))
            for m in news
        ]
        stimuli += [Left(member.id, cause, seen) for member in message.removed if member.id not in self._devices]
        if message.whole:
            stimuli.append(Enumerated("", cause, seen, frozenset(m.id for m in message.added).union(self._devices)))
        return Step(tuple(stimuli), {}) if stimuli else None


def _restored(kind: str, name: str, said: Meta, ours: Meta, cause: str, seen: int) -> Noted:
    """The event that tells of a cluster that went back in time."""
    message = (
        f"the cloud has gone back to version {said.resourceVersion} of {kind} {name} from {ours.resourceVersion}: was "
        "the cluster restored from a backup? What it says now holds; look at what is desired there"
    )
    event = Event(f"{cause}:{kind}:{name}:restored", seen, "cloud", name, "warning", message, cause)
    return Noted("", cause, seen, event)


def _joined(name: str, device: Device, model: Model, cause: str, seen: int) -> Joined:
    description = (device.manifest.metadata.labels or {}).get("description", "")
    named = device.model.partition("/")[2]
    return Joined(name, cause, seen, declare(device, model), description, named, "cloud", rhythm_of(device))
