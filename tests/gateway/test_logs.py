"""What strangers can write into the log: one line a minute."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest
from aiohttp import web

from gateway.logs import Malformed

REQUESTS = {
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "a long header": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
    "no HTTP": b"GET / HTTP/1.1\r\nHost: a\r\nno header\r\n\r\n",
}


@pytest.fixture
def filtered() -> Iterator[Malformed]:
    server, malformed = logging.getLogger("aiohttp.server"), Malformed()
    server.addFilter(malformed)
    yield malformed
    server.removeFilter(malformed)


async def send(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(5):
        answer = await reader.readline()
    writer.close()
    return answer


async def fine(_: web.Request) -> web.Response:
    return web.Response()


async def broken(_: web.Request) -> web.Response:
    raise ZeroDivisionError


async def serve(*requests: bytes) -> list[bytes]:
    """The first lines of the answers of a real server."""
    app = web.Application()
    app.router.add_get("/", fine)
    app.router.add_get("/broken", broken)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return [await send(runner.addresses[0][1], request) for request in requests]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
async def test_requests_that_are_no_http_leave_one_line_and_no_traceback(
    filtered: Malformed, caplog: pytest.LogCaptureFixture, request_: bytes
) -> None:
    answers = await serve(*[request_] * 5)
    assert all(b" 400 " in answer for answer in answers)
    (line,) = [record for record in caplog.records if record.name == "aiohttp.server"]
    assert (line.levelname, line.exc_info) == ("WARNING", None)
    assert line.getMessage().startswith("a request that is no HTTP was refused: ")
    assert "xxx" not in line.getMessage(), "what strangers send may hold secrets and control characters"


async def test_a_fault_of_ours_keeps_its_traceback(filtered: Malformed, caplog: pytest.LogCaptureFixture) -> None:
    await serve(b"GET /broken HTTP/1.1\r\nHost: a\r\n\r\n")
    assert "ZeroDivisionError" in caplog.text


async def test_after_a_minute_the_next_line_says_how_many_there_were(
    filtered: Malformed, caplog: pytest.LogCaptureFixture
) -> None:
    await serve(*[REQUESTS["a long header"]] * 5)
    filtered.PERIOD = 0.0
    await serve(REQUESTS["a long header"])
    assert caplog.records[-1].getMessage().endswith("(4 more since the last such line)")
