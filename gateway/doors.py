"""The doors: where inputs come from and results go to. Each is turned on and off by its section of the file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from msgspec import Struct

from gateway.config import Config
from runtime.clock import Clock
from runtime.supervision import Health, Part, Supervisor
from twins.errors import Unavailable

Run = Callable[[], Awaitable[None]]


class Door(Struct, frozen=True):
    """`build` gives what runs, `None` when the configuration turns it off, and changes nothing else: it is a test too.

    It raises `Rejected` for a door that can't be. `section` is the part of the file that configures it, empty for none;
    `deadline` the seconds it may take to close.
    """

    name: str
    section: str
    build: Callable[[Config], Run | None]
    deadline: float = 5.0


class Doors:
    """All doors, in the order in which they open; they close in reverse."""

    def __init__(self, config: Callable[[], Config], clock: Clock, *doors: Door) -> None:
        self._config = config
        self._doors = doors
        self._group = Supervisor(clock, transient=Unavailable)

    @property
    def sections(self) -> frozenset[str]:
        """The sections that a door takes up while the others stay open."""
        return frozenset(door.section for door in self._doors)

    @property
    def health(self) -> list[Health]:
        return self._group.health

    def open(self) -> None:
        """Build them all; `run` starts them."""
        for door in self._doors:
            self._group.add(self._part(door))

    async def run(self) -> None:
        await self._group.run()

    def close(self) -> None:
        """Ask `run` to close them and return."""
        self._group.stop()

    def check(self, config: Config, sections: Collection[str]) -> None:
        """Raise `Rejected` when a door of these sections can't be what this configuration wants."""
        for door in self._doors:
            if door.section in sections:
                door.build(config)

    async def reopen(self, sections: Collection[str]) -> None:
        """Close the doors of these sections and open them as the configuration now wants them."""
        for door in self._doors:
            if door.section in sections:
                await self._group.replace(self._part(door))

    def _part(self, door: Door) -> Part:
        """One that is turned off is there, and done at once."""
        return Part(door.name, door.build(self._config()) or _off, door.deadline)


async def _off() -> None:
    """The run of a door that is turned off."""
