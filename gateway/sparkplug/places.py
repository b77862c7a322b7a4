"""Which device is made of which node's messages, and which may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from devices.sparkplug.declaration import description, is_ours
from devices.sparkplug.topic import ANNOTATION, Place, place_of
from gateway.manifests.registry import Registry
from twins.errors import Rejected
from twins.twin import Twins

MOST = 10_000
"""Devices here beyond which no birth makes another, but for those on their way then."""


class Places:
    """Follows the manifests of devices. `moved(device, before)` hears of each whose place is another now."""

    def __init__(self, registry: Registry, twins: Twins, moved: Callable[[str, Place | None], None]) -> None:
        self._registry = registry
        self._twins = twins
        self._moved = moved
        self._places: dict[str, Place] = {}
        self._names: dict[Place, str] = {}

    def of(self, device: str) -> Place | None:
        """The place the device is made of."""
        return self._places.get(device)

    def device(self, place: Place) -> str | None:
        """The first device made of the place."""
        return self._names.get(place)

    def devices(self, place: Place) -> Iterable[str]:
        """The devices that are made of the place, and of what is below it."""
        return [d for d, each in self._places.items() if each == place or (not place.device and each.above == place)]

    def follow(self, device: str, manifest: Any) -> None:
        """A Device changed or went: note whose it is now."""
        before = self._places.pop(device, None)
        place = None if manifest is None else place_of(manifest.metadata.annotations.get(ANNOTATION, ""))
        if before is not None and before != place and self._names.get(before) == device:
            del self._names[before]
        if place is not None:
            self._places[device] = place
            self._names.setdefault(place, device)
        if before != place:
            self._moved(device, before)

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
