"""Stores that are written to and killed, one after the other: `python lives.py`, told what to do on standard input.

A line of JSON is one life: a child writes, seals, merges, prunes and removes in `path` until it kills itself at the
`nth` time that it comes to `step`, or is killed `after` so many seconds. Answered by a line: its boot and the last
batch that was acknowledged. Children are forked from a process that has loaded everything: a life costs
little but its work.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from typing import Any

import pyarrow.parquet  # noqa: F401 - loaded once for all children

import store.merging
import store.sealing  # noqa: F401
from runtime.clock import SystemClock
from store.segment import DAY
from store.store import Store, StoreConfig
from twins.exchange import Batch, Point, Result

SERIES = 20
LATE = 5


class Hasty(SystemClock):
    """A second is a millisecond, so that nothing lingers."""

    def monotonic(self) -> float:
        return super().monotonic() * 1000

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 1000)


def points(boot: int, count: int) -> list[Point]:
    """What the batch of that number writes; each fifth is a day late."""
    at = count + DAY * (1 if count % LATE == 0 else 2)
    return [Point(f"default/d-{n}/p", at, boot, float(count), None) for n in range(SERIES)]


async def write(store: Store, boot: int, told: int) -> None:
    """Each batch repeats the one before; what is of the day 0 goes again."""
    count = 0
    while True:
        sent = points(boot, count) + (points(boot, count - 1) if count else [])
        results = [Result("default/cam", "m", "1", count, DAY + boot, ())]
        gone = [
            Point(f"default/{name}/p", day * DAY + count, boot, 1.0, None) for day, name in enumerate(("old", "aged"))
        ]
        await store.journal.committed(store.journal.append(Batch(points=sent + gone, results=results)))
        os.write(told, count.to_bytes(8, "little"))
        count += 1


def aged(series: str) -> str:
    return "aged" if "/aged/" in series else ""


async def keep(store: Store) -> None:
    """Seal, merge, prune and remove without rest."""
    while True:
        await store.segments.seal()
        while await store.segments.merge():
            pass
        for one in [one for one in store.segments.known if one.kind == "points" and one.day == 1]:
            if (await store.segments.shares([one], aged))[one.name]["aged"]:
                await store.segments.prune(one, lambda series: bool(aged(series)), {})
        await store.segments.remove([one for one in store.segments.known if one.last < DAY])


async def live(order: dict[str, Any], told: int) -> None:
    left = [order.get("nth", 1)]

    def step(name: str) -> None:
        if name == order.get("step"):
            left[0] -= 1
            if left[0] <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    store = Store(StoreConfig(path=order["path"], keep_days=1e6), "edge-1", Hasty(), {}, step=step)
    boot = (await store.open()).boot
    os.write(told, boot.to_bytes(8, "little"))
    async with asyncio.TaskGroup() as group:
        group.create_task(store.run())
        group.create_task(write(store, boot, told))
        group.create_task(keep(store))


def life(order: dict[str, Any]) -> dict[str, int]:
    """Fork a child, see it killed, and say what it had acknowledged."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        try:
            asyncio.run(live(order, theirs))
        finally:
            os._exit(1)
    os.close(theirs)
    end = time.monotonic() + order.get("after", 30.0)
    told = b""
    os.set_blocking(ours, False)
    while (left := end - time.monotonic()) > 0:
        try:
            some = os.read(ours, 65_536)
        except BlockingIOError:
            time.sleep(min(left, 0.002))
            continue
        if not some:
            break
        told += some
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.set_blocking(ours, True)
    while some := os.read(ours, 65_536):
        told += some
    os.close(ours)
    words = [int.from_bytes(told[place : place + 8], "little") for place in range(0, len(told), 8)]
    return {
        "boot": words[0] if words else 0,
        "last": words[-1] if len(words) > 1 else -1,
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        "late": int(left <= 0),
    }


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(life(json.loads(line))), flush=True)
