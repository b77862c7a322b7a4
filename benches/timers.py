"""How late is a timer when 100,000 are pending, how long does a gateway with so many take to start, what do they weigh?

One rule with an instance and a timer for each device. Lateness: 10,000 of the timers come due evenly over ten seconds,
in a kernel with its real journal; from the deadline until it rings, and until what was decided is on disk and told.
Restart: `gemelo run` from its process to `/readyz`, over the database that a gateway with these timers left; late are
those that were due meanwhile.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from benches.figures import Figure, percentile, resident, show
from benches.stage import OFF, free_port, gateway
from gateway.causes import Causes
from gateway.committed import Committed
from gateway.config import parse
from gateway.interpreter import settle, tune
from gateway.kernel import Kernel
from gateway.timers import Timers
from rules.instructions import Keep, Wake
from rules.manifest.detector import decode
from rules.rules import Rules
from runtime.clock import SystemClock
from store.journal import Journal
from twins.exchange import Batch, Event, Mark
from twins.instructions import Fact

PENDING, DUE = 100_000, 10_000
SPREAD = 10.0
"""Seconds over which those that come due do."""
START_US = 15_000_000
"""Microseconds that writing them and starting may take."""
HOUR = 3600.0
RULE: dict[str, Any] = {
    "apiVersion": "gemelo.dev/v1alpha1",
    "kind": "Detector",
    "metadata": {"name": "patience"},
    "spec": {
        "inputs": {"t": {"property": "t"}},
        "initial": "Waiting",
        "states": {
            "Waiting": {
                "onInput": {
                    "events": [{"when": 'input == "t"', "do": [{"timer": {"name": "patience", "expression": "t"}}]}],
                    "transitions": [
                        {"to": "Over", "when": 'timeout("patience")', "do": [{"alert": {"message": "late"}}]}
                    ],
                }
            },
            "Over": {},
        },
    },
}


class Ears:
    """What the kernel told of timers: the device, when it rang and when that was told, in steady time."""

    def __init__(self, kernel: Kernel) -> None:
        self._steady = kernel.timers.steady
        self.heard: list[tuple[str, int, int]] = []

    def tell(self, committed: Committed) -> None:
        if committed.events:
            now = self._steady.now()
            ahead = self._steady.ahead
            self.heard += [(event.object, event.at - ahead, now) for event in committed.events if _is_late(event)]


def main(quick: bool = False) -> list[Figure]:
    """Milliseconds, seconds and megabytes (10⁶ bytes)."""
    pending, due, spread = (5_000, 500, 1.0) if quick else (PENDING, DUE, SPREAD)
    grown, batch = _filled(pending, lambda n: 1.0 + spread * n / due if n < due else HOUR)
    with _tuned():
        rung, told = asyncio.run(_lateness(batch, due))
    seconds = _start(_filled(pending, lambda _: HOUR)[1])
    at_once = _start(_filled(pending, lambda _: 0.01)[1])
    what = f"{pending:,} timers pending"
    figures = [
        Figure(f"timers: {what}: rings late, p50", percentile(rung, 0.5), "ms"),
        Figure(f"timers: {what}: rings late, p99", percentile(rung, 0.99), "ms", "≤ 50"),
        Figure(f"timers: {what}: decided and on disk late, p50", percentile(told, 0.5), "ms"),
        Figure(f"timers: {what}: decided and on disk late, p99", percentile(told, 0.99), "ms"),
        Figure(f"timers: restart, {what}", seconds, "s", "≤ 5"),
        Figure(f"timers: restart, all {pending:,} late", at_once, "s", "≤ 5"),
        Figure(f"timers: memory of {pending:,} instances, a timer each", grown, "MB", "≤ 200"),
    ]
    show("timers of rules", figures)
    return figures


@contextmanager
def _tuned() -> Iterator[None]:
    """The interpreter as a gateway has it."""
    before, switch = gc.get_threshold(), sys.getswitchinterval()
    tune()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
        sys.setswitchinterval(switch)


def _filled(count: int, length: Callable[[int], float]) -> tuple[float, Batch]:
    """Megabytes that instances and timers add, and what a gateway that has them leaves on disk."""
    rules, timers, batch = Rules(), Timers(SystemClock()), Batch()
    rules.apply(decode(RULE))
    gc.collect()
    before, now = resident(), timers.steady.now()
    for n in range(count):
        for each in rules.handle(Fact(f"default/d-{n}", "bench:1:1", "t", "", length(n), now, 0), now):
            if isinstance(each, Wake):
                timers.set(each.timer, each.due, each.body, batch)
    states = {each.key: each.body for each in rules.changes() if isinstance(each, Keep)}
    gc.collect()
    grown = resident() - before
    batch.rules |= states
    batch.manifests["Detector", "default/patience"] = msgspec.json.encode(RULE)
    batch.clock = Mark(now, now)
    return grown, batch


async def _lateness(batch: Batch, due: int) -> tuple[list[float], list[float]]:
    """Milliseconds from each deadline until it rang and until it was told, each sorted."""
    with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as folder:
        clock = SystemClock()
        _later(batch, clock.now())
        await _keep(Path(folder) / "data", batch)
        config = parse(f'[store]\npath = "{folder}/data"\n', where="bench", folder=Path(folder))
        kernel = Kernel(config, clock, Causes(1))
        kernel.recover(await kernel.store.open())
        settle()
        ears = Ears(kernel)
        kernel.core.listen(ears)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(kernel.run())
            async with asyncio.timeout(120):
                while len(ears.heard) < due:
                    await clock.sleep(0.05)
            kernel.stop()
            await running
        deadlines = {timer.split("#")[0].removeprefix("default/patience/"): row for timer, row in batch.timers.items()}
        heard = [(_due(deadlines[device]), rang, told) for device, rang, told in ears.heard]
        return sorted((rang - at) / 1000 for at, rang, _ in heard), sorted((told - at) / 1000 for at, _, told in heard)


def _later(batch: Batch, now: int) -> None:
    """Let the deadlines count from so long after now that the kernel runs by then."""
    assert batch.clock is not None
    passed = now - batch.clock.steady + START_US
    for timer, row in batch.timers.items():
        if row is not None:
            batch.timers[timer] = (row[0] + passed, row[1])
    batch.clock = Mark(now, now)


def _start(batch: Batch) -> float:
    with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as folder:
        asyncio.run(_keep(Path(folder) / "data", batch))
        sections = f'[broker]\nlisten = "127.0.0.1:{free_port()}"\nanonymous = true\n{OFF}'
        with gateway(Path(folder), sections) as running:
            return running.seconds


async def _keep(folder: Path, batch: Batch) -> None:
    journal = Journal(folder, SystemClock())
    await journal.open()
    try:
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(journal.run())
            await journal.committed(journal.append(batch))
            writer.cancel()
    finally:
        await journal.close()


def _due(row: tuple[int, bytes] | None) -> int:
    assert row is not None
    return row[0]


def _is_late(event: Event) -> bool:
    return event.kind == "alert" and event.message == "late"


if __name__ == "__main__":
    began = time.monotonic()
    main("--quick" in sys.argv)
    print(f"{time.monotonic() - began:.0f} s")
