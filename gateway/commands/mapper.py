"""`gemelo mapper`: devices of one protocol, as a process of its own beside the gateway or EdgeCore."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from msgspec import structs

from devices.mapper import Mapper, MapperConfig
from devices.mapper.config import load
from devices.mapper.drivers import find
from gateway.logs import configure
from gateway.sections import Log
from runtime.notify import Notify
from twins.errors import GemeloError

HELP = "run a KubeEdge mapper: gemelo mapper modbus"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("driver", help="modbus, virtual, http, another package's, or module:Class")
    parser.add_argument("-c", "--config", type=Path, help="mapper.yaml, or the config.yaml of KubeEdge's framework")
    parser.add_argument("--manager", type=Path, help="socket of the gateway or of EdgeCore (/etc/kubeedge/dmi.sock)")
    parser.add_argument("--socket", type=Path, help="the mapper's own socket; without: NAME.sock beside the manager's")
    parser.add_argument("--name", help="name to register with; without: PROTOCOL-mapper")
    parser.add_argument("--protocol", help="protocolName of its devices; without: the driver's own")
    parser.add_argument("--listen", help="loopback address of the REST API, such as 127.0.0.1:7777; without: none")


async def run(args: argparse.Namespace) -> int:
    """0 after an orderly end."""
    os.umask(0o007)  # whoever may write to the socket commands the devices: this user and group
    configure(Log())
    mapper = Mapper(_driver(args.driver), _config(args))
    running = asyncio.current_task()
    assert running is not None  # we are in it
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, running.cancel)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(mapper.run(), name="mapper")
            await mapper.ready.wait()
            Notify.from_environment(os.environ).ready(f"{mapper.config.name} is registered")
    except asyncio.CancelledError:
        return 0
    except BaseExceptionGroup as several:
        expected, rest = several.split(GemeloError)
        if rest is not None or expected is None:
            raise
        raise _first(expected) from None
    return 0


def _driver(name: str) -> Any:
    """A driver's class; one named `module:Class` may lie in the folder where the command was typed."""
    if ":" in name:
        sys.path.insert(0, str(Path.cwd()))
    return find(name)


def _config(args: argparse.Namespace) -> MapperConfig:
    """The file, and above it what was typed."""
    config = load(args.config) if args.config is not None else MapperConfig()
    names = ("manager", "socket", "name", "protocol", "listen")
    return structs.replace(config, **{name: value for name in names if (value := getattr(args, name)) is not None})


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
