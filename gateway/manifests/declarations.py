"""What Devices and DeviceModels mean for the twins, and which of them do not fit each other.

A Device may come before its model. Until that is there nothing of what it desires is asked; a model that changes may
leave a desired value behind that does not fit any more: it is not asked either. Both are conditions of the device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.manifests.rivals import KINDS, Rivals
from twins.errors import Rejected
from twins.exchange import Condition
from twins.manifests import Device, DeviceModel, declared, rhythm_of
from twins.manifests.validation import device_faults, model_faults, withheld
from twins.stimuli import Joined
from twins.values import Origin

Objects = Mapping[tuple[str, str], object]
"""Manifests by kind and `namespace/name`."""
TOLD = 3
"""Devices that a change of a model names."""


class Declarations:
    """Reads the registry's objects, and keeps what it found out until one of them changes."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._conditions: dict[str, tuple[Condition, ...]] = {}
        self._rivals = Rivals()

    def check(self, manifest: object, where: str, coming: Objects | None = None) -> None:
        """Raise `Rejected` for a bad Device or DeviceModel; models among `coming` count as if they were here."""
        if isinstance(manifest, DeviceModel):
            faults = model_faults(manifest)
        elif isinstance(manifest, Device):
            faults = device_faults(manifest, self._model_of(manifest, coming or {}))
        else:
            return
        for fault in faults:
            raise Rejected(f"{where}: {fault}")

    def joined(self, device: Device, model: DeviceModel | None, origin: Origin, cause: str, seen: int) -> Joined:
        """The device's declaration as the twins hear it."""
        properties = declared(device, model, withheld(device, model))
        description = device.metadata.labels.get("description", "")
        named = device.spec.device_model_ref.name if device.spec.device_model_ref is not None else ""
        return Joined(device.id, cause, seen, properties, description, named, origin, rhythm_of(device))

    def model_of(self, device: Device) -> DeviceModel | None:
        """The model of a device, `None` while it is missing."""
        return self._model_of(device, {})

    def users(self, model: str) -> Iterator[Device]:
        """The devices of a model, by its id."""
        return (d for d in self._objects.values() if isinstance(d, Device) and d.model == model)

    def conditions(self, device: str) -> tuple[Condition, ...]:
        """What keeps a device from being what its manifest says; empty for a device without a manifest."""
        known = self._conditions.get(device)
        if known is None:
            known = self._conditions[device] = self._look(device)
        return known

    def forget(self, kind: str, name: str) -> None:
        """A manifest changed or went: look again."""
        if kind == "Device":
            self._conditions.pop(name, None)
        elif kind == "DeviceModel":
            self._conditions.clear()
        elif kind in KINDS:
            self._rivals.learn(kind, name, self._objects.get((kind, name)))

    def remark(self, kind: str, name: str) -> str:
        """What whoever applied an object should know, as the end of a line."""
        if kind == "Device":
            return "".join(f"; {each.message}" for each in self.conditions(name))
        if kind in KINDS:
            return self._rivals.remark(kind, name)
        if kind != "DeviceModel":
            return ""
        told = [f"device {d.id}: {each.message}" for d in self.users(name) for each in self.conditions(d.id)]
        more = f"; and {len(told) - TOLD} more" if len(told) > TOLD else ""
        return "".join(f"; {line}" for line in told[:TOLD]) + more

    def _look(self, device: str) -> tuple[Condition, ...]:
        manifest = self._objects.get(("Device", device))
        if not isinstance(manifest, Device) or not manifest.model:
            return ()
        model = self._model_of(manifest, {})
        if model is None:
            message = f"model {manifest.model} is missing: what is desired of the device waits until it is applied"
            return (Condition("ModelMissing", message),)
        return tuple(Condition("Invalid", _consequence(fault)) for fault in device_faults(manifest, model))

    def _model_of(self, device: Device, coming: Objects) -> DeviceModel | None:
        key = ("DeviceModel", device.model)
        found = coming.get(key) or self._objects.get(key)
        return found if isinstance(found, DeviceModel) else None


def _consequence(fault: str) -> str:
    return f"{fault}; it is not asked" if ".desired" in fault.partition(" ")[0] else fault
