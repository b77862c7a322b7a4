"""What the manager has yet to confirm: the newest reading of each property, the newest state of each device.

Nothing grows while the manager is away: a newer reading takes the place of the older one, which counts as superseded.
Always: offered = confirmed + superseded + refused + forgotten + waiting.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from itertools import islice

from msgspec import Struct, structs

LARGEST = 256
"""Properties in one report at most."""


class Reading(Struct, frozen=True):
    """A value as it was read at `at` (microseconds UTC), its type, and what was desired of it then."""

    text: str
    at: int
    kind: str
    desired: str


class State(Struct, frozen=True):
    """A device's state, in KubeEdge's words, and why it is so."""

    name: str
    reason: str = ""


Item = Reading | State


class Report(Struct, frozen=True):
    """What one call tells of a device: readings, or (under an empty name) its state."""

    device: str
    items: dict[str, Item]


class Reports:
    """Devices take turns, so that a busy one delays no other."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._waiting: dict[str, dict[str, Item]] = {}
        self._some = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Readings and states that are not confirmed."""
        return sum(map(len, self._waiting.values()))

    def put(self, device: str, items: Mapping[str, Item]) -> None:
        """Tell these of a device, as soon and as often as is needed."""
        if not items:
            return
        mine = self._waiting.setdefault(device, {})
        self.counts["offered"] += len(items)
        self.counts["superseded"] += len(mine.keys() & items.keys())
        mine.update(items)
        self._some.set()

    def tell(self, device: str, state: State) -> None:
        self.put(device, {"": state})

    def amend(self, device: str, desired: Mapping[str, str]) -> None:
        """Other values are desired now: no waiting reading may tell the old one, which EdgeCore takes for a wish."""
        mine = self._waiting.get(device, {})
        for name in desired.keys() & mine.keys():
            if isinstance(item := mine[name], Reading):
                mine[name] = structs.replace(item, desired=desired[name])

    def forget(self, device: str) -> None:
        """The device is gone."""
        self.counts["forgotten"] += len(self._waiting.pop(device, {}))

    async def next(self) -> Report:
        """Wait for something to tell; a device's state comes before its readings. It stays until it is confirmed."""
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        device, mine = next(iter(self._waiting.items()))
        return Report(device, {"": mine[""]} if "" in mine else dict(islice(mine.items(), LARGEST)))

    def done(self, report: Report, outcome: str = "confirmed") -> None:
        """`confirmed` or `refused`. What was put since is newer and stays; the device goes to the end of the row."""
        mine = self._waiting.pop(report.device, {})
        for name, item in report.items.items():
            if mine.get(name) is item:
                del mine[name]
                self.counts[outcome] += 1
        if mine:
            self._waiting[report.device] = mine

    def later(self, report: Report) -> None:
        """It could not be told: others first."""
        self.done(Report(report.device, {}))
