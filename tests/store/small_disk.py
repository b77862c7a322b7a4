"""A store on a small disk: `unshare -rm python small_disk.py FOLDER MEGABYTES WHAT`, which prints JSON.

The disk is a tmpfs in a namespace of mounts of its own: nobody else sees it, and it is gone with this process.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from runtime.clock import SystemClock
from store.space import occupied
from store.store import Store, StoreConfig
from twins.exchange import Batch, Point

MIB = 1 << 20
ROWS = 10_000


class Watch(threading.Thread):
    """The most that was ever taken of the disk, looked at all the time."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self._path = path
        self._ended = threading.Event()
        self.most = self.segments = 0

    def run(self) -> None:
        while not self._ended.wait(0.002):
            disk = os.statvfs(self._path)
            self.most = max(self.most, (disk.f_blocks - disk.f_bfree) * disk.f_frsize)
            self.segments = max(self.segments, occupied(self._path / "segments"))

    def end(self) -> None:
        self._ended.set()
        self.join()


class Told(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


chance = random.Random(1)


def batch(number: int) -> Batch:
    """Points of full entropy: nothing packs them."""
    start = number * ROWS * 1000
    return Batch(
        points=[Point(f"default/d-{n % 50}/p", start + n * 1000, n, chance.random(), None) for n in range(ROWS)]
    )


async def put(store: Store, number: int) -> None:
    await store.journal.committed(store.journal.append(batch(number)))


async def ceiling(store: Store, path: Path) -> dict[str, Any]:
    """Four times as much as may be kept."""
    watch = Watch(path)
    watch.start()
    for number in range(75):
        await put(store, number)
        if number % 2:
            await store.segments.seal()
            await store.segments.merge()
    watch.end()
    return {"most": watch.most, "segments": watch.segments}


async def crowded(store: Store, path: Path) -> dict[str, Any]:
    """Somebody else fills the disk, and goes away again."""
    for number in range(10):
        await put(store, number)
        await store.segments.seal()
    disk = os.statvfs(path)
    ballast = path / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize)
    number, faults = 10, 0
    async with asyncio.timeout(30):
        while not faults:  # what state.db has room for is taken
            ticket = store.journal.append(batch(number))
            number += 1
            while not faults and store.journal._durable < ticket:
                faults = int(store.journal.fault is not None)
                await asyncio.sleep(0.01)
    segments = len(store.segments.known)
    ballast.unlink()
    async with asyncio.timeout(30):
        await store.journal.committed(ticket)
        for _ in range(3):
            await put(store, number)
            number += 1
        await store.segments.seal()
    return {"faults": faults, "segments": segments, "fault": store.journal.fault, "sealing": store.upkeep.fault}


async def main(path: Path, what: str, settings: dict[str, Any]) -> dict[str, Any]:
    told = Told()
    logging.getLogger("store").addHandler(told)
    store = Store(StoreConfig(path=str(path), keep_days=1e6, **settings), "edge-1", SystemClock(), {})
    await store.open()
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(store.run())
            found = await {"ceiling": ceiling, "crowded": crowded}[what](store, path)
            counts = store.segments.counts
            kept = sum(one.rows for one in store.segments.known if one.kind == "points")
            ranges = [(one.first, one.last) for one in store.segments.known if one.kind == "points"]
            found |= {name: getattr(counts, name) for name in counts.__struct_fields__}
            found |= {"kept": kept, "unsealed": len(store.points), "committed": store.journal._durable * ROWS}
            found |= {"newest": max(last for _, last in ranges), "warnings": told.lines}
            running.cancel()
    finally:
        await store.close()
    return found


if __name__ == "__main__":
    folder, size, what = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(folder)], check=True)
    print(json.dumps(asyncio.run(main(folder, what, json.loads(sys.argv[4])))))
