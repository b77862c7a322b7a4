"""What other pages can do to us through a visitor's browser: nothing."""

from __future__ import annotations

import pytest
from aiohttp import WSServerHandshakeError

from web.config import WebConfig

DESIRED = "/api/v1/devices/default/pump-1/desired/power"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", "[", "192.0.2.7", ""])
async def test_a_name_that_is_not_ours_is_refused(serve, host):
    async with serve() as (_, client), client.get("/api/v1/devices", headers={"Host": host}) as answer:
        assert answer.status == 421
        assert "thermo-1" not in await answer.text()


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]:8080", "edge-1.local"])
async def test_loopback_and_configured_names_are_ours(serve, host):
    config = WebConfig(listen="127.0.0.1:0", hosts=("edge-1.local",))
    async with serve(config) as (_, client), client.get("/livez", headers={"Host": host}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "http://127.0.0.1:1", "ws://{host}", "http://{host}.evil"]
)
async def test_a_write_from_another_origin_is_refused(serve, room, origin):
    async with serve() as (web, client):
        headers = {"Origin": origin.replace("{host}", web.address)}
        async with client.put(DESIRED, json={"value": "true"}, headers=headers) as answer:
            assert answer.status == 403
        async with client.delete("/api/v1/manifests/Device/x", headers=headers) as answer:
            assert answer.status == 403
        with pytest.raises(WSServerHandshakeError, match="403"):
            await client.ws_connect("/api/v1/live", headers=headers)
    assert room.asked == []


async def test_a_cross_site_request_without_origin_is_refused_by_its_fetch_metadata(serve, room):
    async with serve() as (_, client):
        headers = {"Sec-Fetch-Site": "cross-site"}
        async with client.put(DESIRED, json={"value": "true"}, headers=headers) as answer:
            assert answer.status == 403
    assert room.asked == []


async def test_the_page_itself_may_write_and_is_known_as_the_console(serve, room):
    async with serve() as (web, client):
        headers = {"Origin": f"http://{web.address}", "Sec-Fetch-Site": "same-origin"}
        async with client.put(DESIRED, json={"value": "true"}, headers=headers) as answer:
            assert answer.status == 200
    assert room.asked == [("default/pump-1", "power", "true", "console")]


async def test_the_page_may_write_through_a_proxy_that_ends_tls(serve):
    async with serve() as (web, client):
        headers = {"Origin": f"https://{web.address}"}
        async with client.put(DESIRED, json={"value": "true"}, headers=headers) as answer:
            assert answer.status == 200


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/api/v1/devices", "/nothing", "/livez"])
async def test_every_answer_forbids_inline_scripts_frames_and_sniffing(serve, path):
    async with serve() as (_, client), client.get(path) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert answer.headers["Server"] == "gemelo"


async def test_answers_with_values_are_not_kept_by_caches(serve):
    async with serve() as (_, client), client.get("/api/v1/devices") as answer:
        assert answer.headers["Cache-Control"] == "no-store"
