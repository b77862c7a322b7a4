"""The token, one-time links and cookies."""

from __future__ import annotations

from web.config import WebConfig
from web.sessions import KEPT, Sessions

TOKEN = "correct-horse-battery"
GUARDED = WebConfig(listen="127.0.0.1:0", token=TOKEN)


async def test_without_a_token_nobody_is_asked(serve):
    async with serve() as (web, client), client.get("/api/v1/devices") as answer:
        assert answer.status == 200
        assert web.link() == f"http://{web.address}/"


async def test_with_a_token_the_api_asks_who_it_is_and_probes_do_not(serve):
    async with serve(GUARDED) as (_, client):
        for path in ("/api/v1/devices", "/api/v1/live", "/metrics", "/api/v1/nothing"):
            async with client.get(path) as answer:
                assert answer.status == 401, path
                assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        for path in ("/", "/static/app.js", "/livez", "/readyz"):
            async with client.get(path) as answer:
                assert answer.status == 200, path


async def test_the_bearer_of_the_token_may_enter_and_of_another_not(serve):
    async with serve(GUARDED) as (_, client):
        async with client.get("/api/v1/devices", headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
            assert answer.status == 200
        for wrong in (f"Bearer {TOKEN}x", "Bearer ", f"Basic {TOKEN}", "Bearer \xfc"):
            async with client.get("/api/v1/devices", headers={"Authorization": wrong}) as answer:
                assert answer.status == 401


async def test_a_link_opens_the_page_once(serve):
    async with serve(GUARDED) as (web, client):
        key = web.link().split("#k=")[1]
        async with client.post("/api/v1/login", json={"key": key}) as answer:
            assert answer.status == 204
            cookie = answer.headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Strict" in cookie
        async with client.get("/api/v1/devices") as answer:
            assert answer.status == 200
        client.cookie_jar.clear()
        async with client.post("/api/v1/login", json={"key": key}) as answer:
            assert answer.status == 401
        async with client.get("/api/v1/devices") as answer:
            assert answer.status == 401


async def test_the_live_stream_takes_the_cookie(serve):
    async with serve(GUARDED) as (web, client):
        await client.post("/api/v1/login", json={"key": web.link().split("#k=")[1]})
        async with client.ws_connect("/api/v1/live") as socket:
            assert (await socket.receive_json(timeout=5))["whole"] is True


def test_invitations_and_sessions_end_with_their_time(clock):
    sessions = Sessions(TOKEN, clock)
    early, late = sessions.invite(), sessions.invite()
    session = sessions.login(early)
    assert session is not None
    assert sessions.allows("", session)
    clock.advance(601)
    assert sessions.login(late) is None
    clock.advance(12 * 3600)
    assert not sessions.allows("", session)


def test_no_more_than_the_newest_sessions_are_kept(clock):
    sessions = Sessions(TOKEN, clock)
    issued = [sessions.login(TOKEN) for _ in range(KEPT + 1)]
    assert not sessions.allows("", issued[0] or "")
    assert all(sessions.allows("", session or "") for session in issued[1:])


def test_an_empty_key_is_no_key(clock):
    assert Sessions("", clock).login("") is None
    assert not Sessions(TOKEN, clock).allows("", "")
