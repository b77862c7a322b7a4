"""KubeEdge's mappers as a whole: what they have to know, and the door by which they come."""

from __future__ import annotations

from collections.abc import Callable

from devices.dmi.book import Book
from devices.dmi.counts import DmiCounts
from devices.dmi.door import MapperDoor
from gateway import wiring
from gateway.committed import Committed
from gateway.config import Config
from gateway.core import Core
from gateway.doors import Run
from gateway.manifests.registry import Registry
from runtime.clock import Clock
from twins.exchange import Event


class Mappers:
    """The part `mappers`. `note` hears of what a mapper can't be told."""

    def __init__(
        self,
        core: Core,
        clock: Clock,
        next_cause: Callable[[], str],
        note: Callable[[Event], None],
        *,
        strict: bool,
    ) -> None:
        self.counts = DmiCounts()
        self._core = core
        self._clock = clock
        self._next_cause = next_cause
        self._note = note
        self._book = Book(core.twins.get, strict=strict)
        self._registry: Registry | None = None

    def follow(self, registry: Registry) -> None:
        """Take up what is there, and hear of every change from now on."""
        self._registry = registry
        registry.watch("DeviceModel", self._book.model)
        registry.watch("Device", self._book.device)
        registry.watch("Mapper", self._book.mapper)
        self._book.begin()

    def tell(self, committed: Committed) -> None:
        self._book.tell(committed.said)

    def door(self, config: Config) -> Run | None:
        section = wiring.dmi(config)
        if section is None:
            return None
        registry = self._registry
        assert registry is not None  # follow() comes before the doors
        ask, apply = self._core.ask, registry.apply
        door = MapperDoor(section, self._book, ask, apply, self._clock, self._next_cause, self._note, self.counts)
        return door.run

    @property
    def pending(self) -> int:
        """Devices and models of which a mapper has yet to hear."""
        return sum(route.pending for route in self._book.routes.values())

    @property
    def trouble(self) -> str:
        """Which mappers are away, in words; empty when all answer."""
        return "; ".join(
            f"mapper {route.spec.name} ({protocol}) is away: {route.trouble}; what it has to know is kept"
            for protocol, route in self._book.routes.items()
            if route.trouble
        )
