"""What one mapper was told, and what it has yet to hear: names of devices and models, so bounded by their number."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal, NamedTuple

from devices.dmi.manifest import MapperSpec


class Key(NamedTuple):
    """A device or a model, by `namespace/name`."""

    kind: Literal["device", "model"]
    id: str


class Route:
    """The way to the mapper of one protocol. `generation` counts its registrations.

    `told` has the likeness of what it knows. `fresh` is true for a mapper that registered in this run: it knows nothing
    else. One that an earlier run knew may know more, or less, than we remember.
    """

    def __init__(self, spec: MapperSpec, *, fresh: bool) -> None:
        self.spec = spec
        self.fresh = fresh
        self.generation = 0
        self.told: dict[Key, bytes] = {}
        self.trouble = ""
        self.refused: dict[Key, str] = {}
        self.news = asyncio.Event()
        self.renewed = asyncio.Event()
        self._held = False
        self._devices: dict[Key, None] = {}
        self._models: dict[Key, None] = {}

    @property
    def pending(self) -> int:
        """Devices and models of which it has something to hear."""
        return len(self._devices) + len(self._models) + len(self.refused)

    def renew(self, spec: MapperSpec, *, fresh: bool) -> None:
        """It registered again, or another did in its place: nothing that was told counts any more."""
        self.spec, self.fresh = spec, fresh
        self.generation += 1
        self.told.clear()
        self.refused.clear()
        self.trouble = ""
        self.renewed.set()

    def touch(self, key: Key) -> None:
        """Something of it may have changed."""
        (self._devices if key.kind == "device" else self._models)[key] = None
        self.refused.pop(key, None)
        self.news.set()

    def know(self, key: Key, likeness: bytes) -> None:
        """It was told this, as it is now."""
        self.told[key] = likeness
        self._devices.pop(key, None)
        self._models.pop(key, None)

    def hold(self) -> None:
        """Give out nothing until `release`: all of it is being told in one answer."""
        self._held = True

    def release(self) -> None:
        self._held = False
        self.news.set()

    def next(self, serves: Callable[[Key], bool]) -> Key | None:
        """What to tell next: models that are in use, then devices, then models that are not any more."""
        if self._held:
            return None
        model = next((key for key in self._models if serves(key)), None)
        if model is None and not self._devices:
            model = next(iter(self._models), None)
        if model is not None:
            del self._models[model]
            return model
        device = next(iter(self._devices), None)
        if device is not None:
            del self._devices[device]
        return device

    def retry(self) -> None:
        """Have what it refused told again."""
        for key in list(self.refused):
            self.touch(key)
