"""An address that an application is served at, until cancelled."""

from __future__ import annotations

import asyncio
import logging
import ssl

from aiohttp import web

from twins.errors import Unavailable

logger = logging.getLogger(__name__)

GRACE = 2.0
"""Seconds that requests under way get when the gateway stops."""


class Listener:
    """`what` is served at `endpoint`, as people call it; `key` is what to configure when the port is taken."""

    def __init__(self, endpoint: tuple[str, int], tls: ssl.SSLContext | None, *, what: str, key: str) -> None:
        self._host, self._port = endpoint
        self._tls = tls
        self._what = what
        self._key = key
        self._listening = asyncio.Event()

    @property
    def address(self) -> str:
        """`host:port`, the port being the real one once `listening` returned."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self._port}"

    @property
    def scheme(self) -> str:
        return "https" if self._tls else "http"

    async def listening(self) -> None:
        """Return when connections are accepted."""
        await self._listening.wait()

    async def run(self, app: web.Application) -> None:
        """Listen until cancelled. Raises Unavailable when the port is taken."""
        # Bodies stay as they are sent: nothing here takes compressed ones, so none can be a bomb.
        runner = web.AppRunner(
            app, access_log=None, auto_decompress=False, keepalive_timeout=75.0, shutdown_timeout=GRACE
        )
        await runner.setup()
        try:
            await self._bind(runner)
            self._listening.set()
            await asyncio.Event().wait()
        finally:
            self._listening.clear()
            await runner.cleanup()

    async def _bind(self, runner: web.AppRunner) -> None:
        try:
            await web.TCPSite(runner, self._host, self._port, ssl_context=self._tls).start()
        except OSError as error:
            message = (
                f"{self._what} cannot listen on {self.address}: {error.strerror or error}; "
                f"stop the program that has the port, or choose another with {self._key}"
            )
            raise Unavailable(message) from error
        self._port = int(runner.addresses[0][1])
        logger.info("%s listens on %s", self._what, self.address)
