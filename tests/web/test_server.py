"""Starting and stopping."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from runtime.clock import SystemClock
from twins.errors import Unavailable
from web.config import WebConfig
from web.server import Web


async def test_a_taken_port_is_named_with_a_way_out(serve):
    async with serve() as (web, _):
        try:
            async with serve(WebConfig(listen=web.address)):
                pytest.fail("two servers have one port")
        except* Unavailable as errors:
            message = str(errors.exceptions[0])
    assert web.address in message
    assert "[web] listen" in message


async def test_a_free_port_is_taken_for_port_0_and_named(serve):
    async with serve() as (web, _):
        host, port = web.address.split(":")
        assert host == "127.0.0.1"
        assert int(port) > 0


async def test_a_stopped_server_leaves_its_port(serve, room, tables, album):
    async with serve() as (web, _):
        address = web.address
    again = Web(WebConfig(listen=address), room, room, tables, album, SystemClock(), CollectorRegistry())
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(again.run(), name="web")
        await again.listening()
        assert again.address == address
        running.cancel()
