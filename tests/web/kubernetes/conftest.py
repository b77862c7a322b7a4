"""The edge API over a shelf of objects in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from aiohttp import ClientSession

from runtime.clock import SystemClock
from tests.web.kubernetes.shelf import FIRST, LOOPBACK, Client, Shelf
from web.config import WebConfig
from web.kubernetes.server import EdgeApi


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


Serve = Callable[..., AbstractAsyncContextManager[tuple[EdgeApi, Client]]]


@pytest.fixture
def serve(shelf: Shelf) -> Serve:
    @asynccontextmanager
    async def run(config: WebConfig = LOOPBACK) -> AsyncIterator[tuple[EdgeApi, Client]]:
        api = EdgeApi(config, shelf, SystemClock(), version="1.2", first=FIRST)
        shelf.touch = api.mirror.touch
        async with asyncio.TaskGroup() as group:
            running = group.create_task(api.run(), name="api")
            await api.listening()
            async with ClientSession(read_bufsize=2**22) as http:
                yield api, Client(http, f"http://{api.address}")
            running.cancel()

    return run
