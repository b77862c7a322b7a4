"""How many inputs a second does the core take with rules, when twins, points, states of rules and each decision with
what led to it are on disk before the answer? 1,000 keyed instances; a device reports one value an input.

Run it from the root: `python -m benches.decisions`. TMPDIR chooses the disk.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from benches.figures import Figure, show
from benches.rules import INSTANCES, detector
from gateway.causes import Causes
from gateway.core import Core
from gateway.timers import Timers
from rules.rules import Rules
from runtime.clock import SystemClock
from store.journal import Journal
from store.points import Points
from streams.streams import Streams
from twins.exchange import Outcome
from twins.stimuli import Edit, Updated
from twins.twin import Twins

MIXES = (("none decides", 0), ("one in ten decides", 10), ("each decides", 1))
FLIGHT = 2000


class Run:
    """Offers inputs to a core, so many in flight."""

    def __init__(self, core: Core, every: int) -> None:
        self._core = core
        self._every = every
        self._causes = Causes(1).of("bench")
        self._room = asyncio.Semaphore(FLIGHT)
        self._hot = [False] * INSTANCES

    async def feed(self, seconds: float) -> float:
        """Inputs a second."""
        began = time.perf_counter()
        number = 0
        while time.perf_counter() - began < seconds:
            await self._room.acquire()
            await self._core.offer((self._input(number),), self._done)
            number += 1
        for _ in range(FLIGHT):  # all are answered
            await self._room.acquire()
        return number / (time.perf_counter() - began)

    def _input(self, number: int) -> Updated:
        device = number % INSTANCES
        if self._every and number // INSTANCES % self._every == self._every - 1:
            self._hot[device] = not self._hot[device]
        value = (99.0 if self._hot[device] else 20.0) + number % 7 / 10
        now = time.time_ns() // 1000
        edits: dict[str, Edit | None] = {"temperature": Edit(reported=f"{value:.1f}", kind="float")}
        return Updated(f"default/thermometer-{device}", self._causes(), now, edits, now, number + 1)

    def _done(self, _: Outcome) -> None:
        self._room.release()


async def measured(folder: Path, every: int, seconds: float) -> tuple[float, int]:
    """Inputs a second, and the decisions that were kept."""
    clock, points = SystemClock(), Points(keep=False)
    journal = Journal(folder, clock, sink=points.take)
    await journal.open()
    rules = Rules()
    rules.apply(detector())
    core = Core(Twins(enrols=True), rules, Streams(), journal, Timers(clock), clock)
    try:
        async with asyncio.TaskGroup() as group:
            parts = [group.create_task(journal.run()), group.create_task(core.run())]
            await Run(core, 0).feed(0.5)  # all devices are there
            rate = await Run(core, every).feed(seconds)
            for part in parts:
                part.cancel()
        kept = await journal.transact(lambda db: db.execute("SELECT count(*) FROM decisions").fetchone()[0])
    finally:
        await journal.close()
    return rate, int(kept)


def main(quick: bool = False) -> list[Figure]:
    """Inputs a second, each answered after its commit."""
    figures = []
    for name, every in MIXES:
        with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as folder:
            rate, kept = asyncio.run(measured(Path(folder), every, 0.5 if quick else 4.0))
        target = ">= 10,000" if every != 1 else ""
        figures.append(Figure(f"decisions: {INSTANCES} instances, {name}, durable", rate, "inputs/s", target))
        figures.append(Figure(f"decisions: {name}: kept", kept, "decisions"))
    show("decisions: inputs that were on disk when they were answered", figures)
    return figures


if __name__ == "__main__":
    main("--quick" in sys.argv)
