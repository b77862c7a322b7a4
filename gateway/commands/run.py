"""`gemelo run`: the service."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
from pathlib import Path

from msgspec.structs import replace

from gateway.assemble import Gateway
from gateway.config import Config, changed, load, parse
from gateway.logs import configure
from gateway.sections import Node
from runtime.clock import SystemClock
from runtime.notify import Notify
from twins.errors import Broken, Rejected, Unavailable
from twins.schema import decode

HELP = "run the gateway until SIGTERM; SIGHUP reads the configuration again"

logger = logging.getLogger(__name__)

DEADLINE = 25.0
"""Seconds for an orderly end; systemd's own limit is 90."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--config", type=Path, help="gateway.toml (without: all defaults, data in ./data)")
    parser.add_argument("--node", default="", help="name of this gateway, in place of the file's [node] name")
    parser.add_argument("--apply", type=Path, action="append", default=[], help="manifests to apply at start")


async def run(args: argparse.Namespace) -> int:
    """0 after an orderly end, 1 when something of ours broke."""
    os.umask(0o077)  # what devices tell, and keys, are for this user alone: as the service's UMask has it
    service = Service(args.config, tuple(args.apply), args.node)
    return await service.run()


class Service:
    """Runs a gateway, and another one in its place when the configuration changed."""

    def __init__(self, path: Path | None, manifests: tuple[Path, ...] = (), node: str = "") -> None:
        self._path = path
        self._manifests = manifests
        self._node = node
        self._notify = Notify.from_environment(os.environ)
        self._clock = SystemClock()
        self._ends = False
        self._gateway: Gateway | None = None
        self._reload = asyncio.Event()

    async def run(self) -> int:
        config = self.read()
        configure(config.log)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        loop.add_signal_handler(signal.SIGINT, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)
        gateway = Gateway(config, self._clock)
        while not self._ends:
            self._gateway = gateway
            try:
                gateway = await self._serve(gateway)
            except BaseExceptionGroup as group:
                expected, rest = group.split((Unavailable, Rejected, Broken))
                if rest is not None or expected is None:
                    raise
                for error in _leaves(expected):
                    logger.error("%s", error)  # noqa: TRY400 - the message says what to do; a traceback would hide it
                return 1
        self._notify.stopping("written to disk")
        return 0

    def read(self) -> Config:
        """The configuration as it stands in the file, and what the command line adds. Raises `Rejected`."""
        path = self._path
        config = parse("", where="defaults", folder=Path.cwd()) if path is None else load(path)
        if self._node:
            name = decode({"name": self._node}, Node, "--node").name
            config = replace(config, node=replace(config.node, name=name))
        if self._manifests:
            paths = (*config.manifests.paths, *(p.absolute() for p in self._manifests))
            config = replace(config, manifests=replace(config.manifests, paths=paths))
        return config

    def stop(self) -> None:
        """End in order; by force when that takes longer than `DEADLINE`."""
        if not self._ends:
            asyncio.get_running_loop().call_later(DEADLINE, _give_up)
        self._ends = True
        if self._gateway is not None:
            self._gateway.stop()

    async def _serve(self, gateway: Gateway) -> Gateway:
        """Run one gateway; returns the one to go on with."""
        async with asyncio.TaskGroup() as group:
            running = group.create_task(gateway.run(), name="gateway")
            helpers = [
                group.create_task(self._announce(gateway), name="ready"),
                group.create_task(self._notify.beat(lambda: True, self._clock), name="watchdog"),
            ]
            reloads = group.create_task(self._reloads(gateway), name="reloads")
            await asyncio.wait({running, reloads}, return_when=asyncio.FIRST_COMPLETED)
            following = gateway
            if reloads.done() and not running.done():
                following = reloads.result()
                gateway.stop()
            try:
                async with asyncio.timeout(None if running.done() else DEADLINE):
                    await running
            finally:
                for task in (*helpers, reloads):
                    task.cancel()
        return following

    async def _announce(self, gateway: Gateway) -> None:
        await gateway.ready.wait()
        self._notify.ready(gateway.kernel.inventory)

    async def _reloads(self, gateway: Gateway) -> Gateway:
        """Take up what changed in the file; returns when the parts have to start again. A bad file changes nothing."""
        while True:
            await self._reload.wait()
            self._reload.clear()
            try:
                new = self.read()
                differs = changed(gateway.config, new)
                if differs - gateway.reloadable:
                    following = Gateway(new, self._clock)
                    logger.info("reloaded: %s; all parts start again", ", ".join(sorted(differs)))
                    return following
                if "log" in differs:
                    configure(new.log)
                await gateway.reload(new)
            except (Rejected, Unavailable) as error:
                logger.error("not reloaded, the old configuration holds: %s", error)  # noqa: TRY400
                continue
            logger.info("reloaded: %s", ", ".join(sorted(differs)) or "nothing changed")


def _give_up() -> None:
    logger.error("not ended within %.0f s: ended by force; what was acknowledged is on disk", DEADLINE)
    os._exit(1)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
