"""The address of *why*: what it takes for the id of something that happened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import pytest
from aiohttp import ClientSession, web

from twins.errors import Rejected
from web.diagrams import DiagramApi
from web.guard import POLICY, add_headers
from web.problems import problems
from web.why import LONGEST, WhyApi, WhyView


class Asked:
    """Answers with the question, and draws a name."""

    async def why(self, event: str) -> WhyView:
        if event == "nothing":
            raise Rejected("nothing is known of nothing", 404)
        return WhyView(event, "", ())

    def drawn(self, detector: str, form: str) -> str:
        return f"<svg>{detector} as {form}</svg>"


@asynccontextmanager
async def serving() -> AsyncIterator[ClientSession]:
    app = web.Application(middlewares=[problems])
    app.on_response_prepare.append(add_headers)
    for route in (*WhyApi(Asked()).routes(), *DiagramApi(Asked()).routes()):
        app.router.add_route(route.method, route.path, route.handler)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        async with ClientSession(f"http://{host}:{port}") as client:
            yield client
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "event", ["mqtt:1:14", "default/pump-1/speed", "mqtt:1:14:default/rule/default/t-1:loop", "a b%/ü"]
)
async def test_an_id_with_slashes_and_signs_is_taken_as_it_is(event: str) -> None:
    async with serving() as client:
        for address in (quote(event, safe=""), quote(event, safe="/:")):
            async with client.get(f"/api/v1/why/{address}") as answer:
                assert (await answer.json())["about"] == event


async def test_what_is_unknown_is_not_found_and_what_is_too_long_is_cut() -> None:
    async with serving() as client:
        async with client.get("/api/v1/why/nothing") as answer:
            assert (answer.status, (await answer.json())["detail"]) == (404, "nothing is known of nothing")
        async with client.get(f"/api/v1/why/{'x' * 4000}") as answer:
            assert (await answer.json())["about"] == "x" * LONGEST


async def test_a_drawing_may_have_a_style_and_nothing_else_may() -> None:
    async with serving() as client:
        async with client.get("/api/v1/detectors/overheat/diagram.svg") as answer:
            assert await answer.text() == "<svg>default/overheat as svg</svg>"
            assert answer.headers[POLICY] == "default-src 'none'; style-src 'unsafe-inline'"
        async with client.get("/api/v1/detectors/plant/overheat/diagram.mmd") as answer:
            assert await answer.text() == "<svg>plant/overheat as mermaid</svg>"
            assert "unsafe-inline" not in answer.headers[POLICY]
