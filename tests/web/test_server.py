"""Starting and stopping."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from aiohttp import ClientSession, TCPConnector
from prometheus_client import CollectorRegistry

from runtime.clock import SystemClock
from tests.web.certificate import self_signed
from twins.errors import Rejected, Unavailable
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


async def test_with_a_certificate_the_page_speaks_https_and_its_cookie_stays_there(serve, tmp_path):
    certificate, key = self_signed(tmp_path)
    config = WebConfig(listen="127.0.0.1:0", token="a-token-of-20-letters", certificate=certificate, key=key)
    trust = ssl.create_default_context(cafile=certificate)
    async with serve(config) as (web, _), ClientSession(connector=TCPConnector(ssl=trust)) as client:
        link, _, invitation = web.link().partition("#k=")
        assert link.startswith("https://127.0.0.1:")
        headers = {"Origin": link.rstrip("/")}
        async with client.post(f"{link}api/v1/login", json={"key": invitation}, headers=headers) as answer:
            assert answer.status == 204
            assert "Secure" in answer.headers["Set-Cookie"]


def test_a_certificate_that_cannot_be_used_is_refused_with_its_name(tmp_path):
    certificate, _ = self_signed(tmp_path)
    for config in (WebConfig(certificate="/nowhere.pem"), WebConfig(certificate=certificate, key=certificate)):
        with pytest.raises(Rejected, match=config.certificate):
            config.tls()
