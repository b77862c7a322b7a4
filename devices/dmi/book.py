"""What every mapper has to know: devices, models and mappers as their manifests say, and what is desired now.

Theory of operation. Nothing is queued but names: a change marks its device or model in the route of its protocol, and
what holds then is read when the mapper is told. So the newest counts, repeats cost nothing, and a mapper that was away
is brought up to date by the same rule as one that hears of a single change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from devices.dmi.manifest import Mapper
from devices.dmi.route import Key, Route
from twins.instructions import Instruction, Revision
from twins.manifests import Device, DeviceModel
from twins.values import Property, Twin


class Book:
    """Hears of manifests and commits whether the door is open or not. `twin` gives a live twin, for reading only."""

    def __init__(self, twin: Callable[[str], Twin | None], *, strict: bool = False) -> None:
        self.twin = twin
        self.routes: dict[str, Route] = {}
        """By protocol."""
        self.changed = asyncio.Event()
        """Set when a route came or went."""
        self._strict = strict
        self._devices: dict[str, Device] = {}
        self._models: dict[str, DeviceModel] = {}
        self._mappers: dict[str, Mapper] = {}
        self._of_protocol: dict[str, dict[str, None]] = {}
        self._of_model: dict[str, dict[str, None]] = {}
        self._open = False

    # -- what is heard ---------------------------------------------------------------------------------------------

    def device(self, name: str, manifest: Device | None) -> None:
        """A device's manifest holds now; `None` when it is gone."""
        old = self._devices.pop(name, None)
        if old is not None:
            _drop(self._of_protocol, old.protocol, name)
            _drop(self._of_model, old.model, name)
        if manifest is not None:
            self._devices[name] = manifest
            self._of_protocol.setdefault(manifest.protocol, {})[name] = None
            self._of_model.setdefault(manifest.model, {})[name] = None
        for each in filter(None, (old, manifest)):
            self._touch(each.protocol, Key("device", name))
            self._touch(each.protocol, Key("model", each.model))

    def model(self, name: str, manifest: DeviceModel | None) -> None:
        """A model's manifest holds now; `None` when it is gone. It counts for all devices that use it."""
        for each in filter(None, (self._models.pop(name, None), manifest)):
            self._touch(each.spec.protocol, Key("model", name))
        if manifest is not None:
            self._models[name] = manifest
        for user in self._of_model.get(name, ()):
            protocol = self._devices[user].protocol
            self._touch(protocol, Key("model", name))
            self._touch(protocol, Key("device", user))

    def mapper(self, name: str, manifest: Mapper | None) -> None:
        """A mapper's manifest holds now; `None` when it was deleted."""
        old = self._mappers.pop(name, None)
        if manifest is not None:
            self._mappers[name] = manifest
        for each in filter(None, (old, manifest)):
            self._direct(each.spec.protocol)

    def begin(self) -> None:
        """From now on a mapper's manifest is that of one which registers; those before come from an earlier run."""
        self._open = True

    def tell(self, instructions: Sequence[Instruction]) -> None:
        """Note of which devices something else is desired since a commit."""
        if not self.routes:
            return
        for i in instructions:
            if type(i) is Revision and (device := self._devices.get(i.device)) is not None and _asks(i):
                self._touch(device.protocol, Key("device", i.device))

    # -- what is asked ---------------------------------------------------------------------------------------------

    @property
    def mappers(self) -> Mapping[str, Mapper]:
        return self._mappers

    def protocol(self, device: str) -> str:
        """The protocol of a device; empty when it has no manifest or no protocol."""
        found = self._devices.get(device)
        return "" if found is None else found.protocol

    def served(self, protocol: str) -> list[Key]:
        """All a mapper of this protocol has to know, models first."""
        models = [key for name in self._models if self.serves(protocol, key := Key("model", name))]
        return models + [Key("device", name) for name in self._of_protocol.get(protocol, ())]

    def serves(self, protocol: str, key: Key) -> bool:
        """True when a mapper of this protocol has to know it: a device of its own, a model of those or of its own."""
        if key.kind == "device":
            return self.protocol(key.id) == protocol
        model = self._models.get(key.id)
        if model is None:
            return False
        return model.spec.protocol == protocol or any(
            self.protocol(user) == protocol for user in self._of_model.get(key.id, ())
        )

    def found(self, device: str) -> tuple[Device, str, DeviceModel | None]:
        """A device that is there, the id of its model, and the model if that is there."""
        manifest = self._devices[device]
        model = manifest.model
        return manifest, model, self._models.get(model)

    def model_named(self, name: str) -> DeviceModel:
        return self._models[name]

    def _touch(self, protocol: str, key: Key) -> None:
        route = self.routes.get(protocol)
        if route is not None and key.id:
            route.touch(key)

    def _direct(self, protocol: str) -> None:
        """Point the route of a protocol at the mapper that registered last."""
        able = [m.spec for m in self._mappers.values() if m.spec.protocol == protocol and self._is_called(m)]
        if not able:
            if self.routes.pop(protocol, None) is not None:
                self.changed.set()
            return
        newest = max(able, key=lambda spec: spec.registered)
        route = self.routes.get(protocol)
        if route is None:
            route = self.routes[protocol] = Route(newest, fresh=self._open)
            self.changed.set()
        elif route.spec != newest:
            route.renew(newest, fresh=self._open)
        else:
            return
        for key in self.served(protocol):
            route.touch(key)

    def _is_called(self, mapper: Mapper) -> bool:
        """EdgeCore never calls a mapper that registered without asking for data."""
        return bool(mapper.spec.address) and (mapper.spec.with_data or not self._strict)


def _asks(revision: Revision) -> bool:
    """True when what is desired is not what it was."""
    changed = any(_desired(c.last) != _desired(c.current) for c in revision.changes.values())
    return changed or any(map(_desired, revision.gone.values()))


def _desired(p: Property | None) -> str:
    return "" if p is None or p.desired is None else p.desired.value


def _drop(index: dict[str, dict[str, None]], key: str, name: str) -> None:
    names = index.get(key)
    if names is not None:
        names.pop(name, None)
        if not names:
            del index[key]
