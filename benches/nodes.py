"""Many light nodes in one process: the gateway's link, uplink and sequencer, with neither broker nor disk.

    python -m benches.nodes LINK CERTIFICATES TOKEN_FILE FIRST COUNT DEVICES FOLDER

Each line on standard input is a value and the seconds over which nodes report it, one after the other. One word a
line on standard output: `ready` when every node has its devices, `done` when the cloud has confirmed the value.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import uvloop

from cloud.cloudcore import CloudCore
from cloud.config import CloudCoreConfig
from cloud.identity import Identity
from cloud.sync import Report
from gateway.core import Core
from gateway.timers import Timers
from gateway.uplink import Uplink
from rules.rules import Rules
from runtime.clock import SystemClock
from streams.streams import Streams
from twins.exchange import Batch, Ticket
from twins.stimuli import Edit, Updated
from twins.twin import Twins

JOINING = 16
"""Nodes that join at once: each waits 15 s for its certificate, and one stand-in signs for all."""


class Memory:
    """Where a journal would be: everything is kept at once, and forgotten."""

    pressure = 0.0

    def __init__(self) -> None:
        self._count = 0

    def append(self, _: Batch) -> Ticket:
        self._count += 1
        return Ticket(self._count)

    async def committed(self, _: Ticket) -> None:
        return


class Node:
    """One node of a cloud; `await join()`, then `await run()`."""

    def __init__(self, name: str, config: CloudCoreConfig, folder: Path) -> None:
        self._clock = SystemClock()
        self._identity = Identity(folder / name, name, self._clock)
        self._config = config
        self.twins = Twins()
        self.core = Core(self.twins, Rules(), Streams(), Memory(), Timers(self._clock), self._clock)
        self.cloud = CloudCore(config, self._identity, self._clock)
        self.uplink: Uplink[Report] = Uplink(self.cloud, self.core, self._clock)
        self.core.listen(self.uplink)

    async def join(self, token: str) -> None:
        await self._identity.join(self._config.certificates_url, token)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.core.run())
            group.create_task(self.uplink.run())

    async def report(self, values: Mapping[str, str]) -> None:
        """Each device says these values."""
        now = self._clock.now()
        edits: dict[str, Edit | None] = {name: Edit(reported=value) for name, value in values.items()}
        await self.core.ask(*(Updated(device, "bench:1:1", now, edits, now) for device in self.devices))

    @property
    def devices(self) -> list[str]:
        return [twin.device for twin in self.twins]

    @property
    def unsynced(self) -> bool:
        return any(one.unsynced for twin in self.twins for one in twin.properties.values())


async def until(true: Callable[[], bool]) -> None:
    """Looked at ten times a second, so that looking costs little."""
    while not true():  # noqa: ASYNC110 - a thousand nodes, and one answer
        await asyncio.sleep(0.1)


async def main() -> None:
    logging.getLogger("cloud").setLevel(logging.ERROR)  # what is cut here is cut on purpose, a thousand times
    link, certificates, token = sys.argv[1:4]
    first, count, devices = map(int, sys.argv[4:7])
    secret = await asyncio.to_thread(Path(token).read_text)
    config = CloudCoreConfig(url=link, register_url=certificates, token_file=token)
    nodes = [Node(f"node-{n}", config, Path(sys.argv[7])) for n in range(first, first + count)]
    some = asyncio.Semaphore(JOINING)

    async def work(node: Node) -> None:
        async with some:
            await node.join(secret)
        await node.run()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work(node)) for node in nodes]
        await until(lambda: all(len(node.devices) == devices for node in nodes))
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            value, seconds = line.split()
            for node in nodes:
                await node.report({"value": value})
                await asyncio.sleep(float(seconds) / count)
            await until(lambda: not any(node.unsynced for node in nodes))
            print("done", flush=True)
        for task in tasks:
            task.cancel()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
