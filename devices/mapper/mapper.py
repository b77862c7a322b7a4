"""One mapper: its own door, its devices, and its way up to the manager. gRPC is loaded when it runs."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devices.mapper.config import MapperConfig
from devices.mapper.driver import Driver
from devices.mapper.reports import Reports
from runtime.clock import Clock, SystemClock
from twins.errors import Rejected, Unavailable

if TYPE_CHECKING:
    from devices.mapper.roster import Roster

logger = logging.getLogger(__name__)

STOPPING = 2.0
"""Seconds that calls under way get when the mapper stops."""


class Mapper:
    """Runs a driver for all devices of its protocol."""

    def __init__(self, kind: type[Driver[Any, Any]], config: MapperConfig, clock: Clock | None = None) -> None:
        self.config = config.completed(kind.protocol)
        self.ready = asyncio.Event()
        """Set when it has registered for the first time."""
        self.address = ""
        """Of the REST API, with the port that was taken; empty without one."""
        self._kind = kind
        self._clock = clock or SystemClock()
        self._reports = Reports()

    @property
    def counts(self) -> Counter[str]:
        """Readings and states: offered, confirmed, superseded, refused, forgotten."""
        return self._reports.counts

    async def run(self) -> None:
        """Serve until cancelled. Raises `Unavailable` when its socket or address cannot be had."""
        try:
            from devices.mapper.roster import Roster
            from devices.mapper.service import Service
            from devices.mapper.uplink import Uplink
        except ImportError as missing:
            reason = f"{missing.name} is not installed: pip install 'gemelo[mapper]'"
            raise Rejected(reason) from missing

        roster = Roster(self._kind, self._reports, self._clock, self.config)
        uplink = Uplink(self.config, self._reports, roster, self._clock)
        assert self.config.socket is not None  # completed
        server = await _serve(Service(roster).handlers(), self.config.socket)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(roster.run(), name="mapper devices")
                await self._open_rest(roster, group)
                group.create_task(uplink.run(), name="mapper uplink")
                await uplink.registered.wait()
                self.ready.set()
        finally:
            await server.stop(STOPPING)
            self.config.socket.unlink(missing_ok=True)

    async def _open_rest(self, roster: Roster, group: asyncio.TaskGroup) -> None:
        if not self.config.listen:
            return
        from devices.mapper.rest import Rest

        rest = Rest(roster, self._clock, self.config)
        group.create_task(rest.run(), name="mapper rest")
        await rest.ready.wait()
        self.address = rest.address


async def _serve(handlers: Any, socket: Path) -> Any:
    import grpc.aio

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((handlers,))
    try:
        socket.parent.mkdir(parents=True, exist_ok=True)
        server.add_insecure_port(f"unix:{socket}")
    except (OSError, RuntimeError) as error:
        reason = f"cannot serve on {socket}: {error}; choose another socket, or give this user the right to its folder"
        raise Unavailable(reason) from error
    await server.start()
    return server
