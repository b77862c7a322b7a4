"""A core with real twins, rules and timers on a disk that the test commands; time is virtual."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from gateway.causes import Causes
from gateway.committed import Committed
from gateway.core import Core
from gateway.manifests.registry import Registry
from gateway.timers import Timers
from rules.rules import Rules
from runtime.clock import Clock
from streams.streams import Streams
from tests.clock import VirtualClock
from twins.exchange import DESIRED, Batch, OutboxRow, Outcome, Point, Recovered, Ticket
from twins.stimuli import Edit, Updated
from twins.twin import Twins


class Disk:
    """The far side of a core: keeps batches, at once or when the test says so, and remembers them over a restart."""

    def __init__(self, *, held: bool = False) -> None:
        self.held = held
        self.pressure = 0.0
        self.batches: list[Batch] = []
        self.durable = 0
        self._news = asyncio.Condition()

    def append(self, batch: Batch) -> Ticket:
        self.batches.append(batch)
        if not self.held:
            self.durable = len(self.batches)
        return Ticket(len(self.batches))

    async def committed(self, ticket: Ticket) -> None:
        async with self._news:
            await self._news.wait_for(lambda: self.durable >= ticket)

    async def commit(self, batches: int | None = None) -> None:
        """Let so many more batches, or all, reach the disk."""
        async with self._news:
            self.durable = len(self.batches) if batches is None else self.durable + batches
            self._news.notify_all()
        await settle()

    def found(self) -> Recovered:
        """What a start finds: the effect of all batches that reached the disk."""
        found = Recovered(1, {}, {}, {}, {}, [], [], [])
        outbox: dict[str, OutboxRow] = {}
        for batch in self.batches[: self.durable]:
            for kept, change in (
                (found.twins, batch.twins),
                (found.rules, batch.rules),
                (found.streams, batch.streams),
                (found.timers, batch.timers),
                (found.manifests, batch.manifests),
                (outbox, batch.outbox),
            ):
                for key, value in change.items():
                    if value is None:
                        kept.pop(key, None)  # type: ignore[call-overload]
                    else:
                        kept[key] = value  # type: ignore[index]
            found.clock = batch.clock or found.clock
            found.seen += batch.seen
            found.events += batch.events
        found.outbox.extend(outbox.values())
        return found


class Stage:
    """A core with everything around it that decides; `told` holds what listeners heard."""

    def __init__(
        self,
        disk: Disk | None = None,
        *,
        twins: Twins | None = None,
        intake: int = 8192,
        clock: Clock | None = None,
    ) -> None:
        self.disk = disk or Disk()
        self.clock: Clock = clock or VirtualClock()
        self.twins = Twins(enrols=True) if twins is None else twins
        self.rules = Rules()
        self.streams = Streams()
        self.timers = Timers(self.clock)
        self.core = Core(self.twins, self.rules, self.streams, self.disk, self.timers, self.clock, intake=intake)
        self.next_cause = Causes(1).of("test")
        self.registry = Registry(self.core.ask, self.clock, self.next_cause)
        self.told: list[Committed] = []
        self.core.listen(self.registry)
        self.core.listen(self)

    def tell(self, committed: Committed) -> None:
        self.told.append(committed)

    def update(self, device: str = "default/d1", *, seq: int = 0, repeats: bool = False, **values: str) -> Updated:
        """A device reports values."""
        edits: dict[str, Edit | None] = {name: Edit(reported=value) for name, value in values.items()}
        now = self.clock.now()
        return Updated(device, self.next_cause(), now, edits, now, seq, repeats)

    async def report(self, device: str = "default/d1", **values: str) -> Outcome:
        return await self.core.ask(self.update(device, **values))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Stage]:
        async with asyncio.TaskGroup() as group:
            core = group.create_task(self.core.run())
            await settle()
            try:
                yield self
            finally:
                core.cancel()

    @property
    def batch(self) -> Batch:
        """The last one."""
        return self.disk.batches[-1]


def values(batch: Batch) -> list[Point]:
    """The reported values of a batch: neither a device's state, which is one more when it is heard for the first time,
    nor what was desired, nor the record of what rules did.
    """
    return [
        p for p in batch.points if not p.series.endswith(("/$state", "/$action")) and not p.series.startswith(DESIRED)
    ]


def wishes(batch: Batch) -> list[tuple[str, str | None]]:
    """The desired values of a batch that changed, by property."""
    return [(p.series.removeprefix(DESIRED), p.text) for p in batch.points if p.series.startswith(DESIRED)]


async def settle() -> None:
    """Let everybody go on who can, without time passing."""
    for _ in range(20):
        await asyncio.sleep(0)


def rule(name: str = "rule", **spec: Any) -> dict[str, Any]:
    """A manifest of a rule on the property `t` of every device, with parts of its spec changed."""
    whole: dict[str, Any] = {"inputs": {"t": {"property": "t"}}, "initial": "A", "states": {"A": {}}}
    return {
        "apiVersion": "gemelo.dev/v1alpha1",
        "kind": "Detector",
        "metadata": {"name": name},
        "spec": whole | spec,
    }


def body(manifest: object) -> bytes:
    return msgspec.json.encode(manifest)
