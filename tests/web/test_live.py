"""The live stream: whole first, then conflated, and never a queue."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest
from aiohttp import WSMsgType, WSServerHandshakeError

from web.config import WebConfig
from web.views import DeviceView, PropertyView, Snapshot


async def view(stream) -> Snapshot:
    return msgspec.json.decode(await stream.receive_str(timeout=5), type=Snapshot)


async def test_a_viewer_gets_everything_first_and_then_what_changes(serve, room):
    async with serve() as (_, client), client.ws_connect("/api/v1/live") as stream:
        first = await view(stream)
        assert first.whole
        assert len(first.devices) == 3
        assert first.node is not None
        assert first.events[0].id == "e1"
        room.report("default/thermo-1", "temperature", "30.5")
        change = await view(stream)
    assert not change.whole
    assert [device.id for device in change.devices] == ["default/thermo-1"]
    assert change.devices[0].properties[0].reported == "30.5"
    assert change.events == ()
    assert change.revision > first.revision


async def test_many_changes_in_a_period_are_one_message_with_the_last(serve, room, clock):
    async with serve(clock=clock) as (_, client), client.ws_connect("/api/v1/live") as stream:
        await view(stream)
        shown = room.snapshots
        for value in range(500):
            room.report("default/thermo-1", "temperature", str(value))
        with pytest.raises(TimeoutError):
            await stream.receive(timeout=0.05)
        assert room.snapshots == shown
        clock.advance(0.1)
        change = await view(stream)
    assert change.devices[0].properties[0].reported == "499"
    assert len(change.devices) == 1


async def test_what_leaves_is_told(serve, room):
    async with serve() as (_, client), client.ws_connect("/api/v1/live") as stream:
        await view(stream)
        room.leave("default/pump-1")
        change = await view(stream)
    assert change.members is not None
    assert change.members.devices == ("default/thermo-1", "plant-2/door-1")


async def test_a_viewer_that_does_not_read_holds_bounded_memory_and_then_gets_the_newest(serve, room):
    """A viewer over a bare socket with a small window, against changes far larger than all buffers together."""
    for index in range(300):
        room.put(DeviceView(f"default/big-{index}", properties=(PropertyView("text", "string", "x" * 2000),)))
    async with serve() as (web, _), stalled(web.address) as reader:
        for round_number in range(40):
            for index in range(300):
                room.change(f"default/big-{index}", "text", reported=f"{round_number:04}" + "x" * 2000)
            await asyncio.sleep(0)
        # 40 rounds of 700 kB were changed; the writer waits in its first or second message.
        assert room.snapshots <= 3
        assert await read_until(reader, b'"reported":"0039') < 4_000_000


async def test_a_viewer_that_takes_nothing_for_long_is_cut_off(serve, room, monkeypatch, caplog):
    monkeypatch.setattr("web.live.PATIENCE", 1.0)
    caplog.set_level("INFO", "web.live")
    room.put(DeviceView("default/big", properties=(PropertyView("text", "string", "x" * 20_000_000),)))
    async with serve() as (web, client), stalled(web.address) as reader:
        async with client.get("/metrics") as answer:
            assert "gemelo_web_viewers 1.0" in await answer.text()
        async with asyncio.timeout(15):
            while "cut off" not in caplog.text:
                await client.get("/livez")
        with pytest.raises((ConnectionError, EOFError)):
            await read_until(reader, b"never comes")


async def test_the_stream_says_that_it_lives_when_nothing_changes(serve, monkeypatch):
    monkeypatch.setattr("web.live.QUIET", 0.05)
    async with serve() as (_, client), client.ws_connect("/api/v1/live") as stream:
        first = await view(stream)
        beat = await view(stream)
    assert (beat.whole, beat.revision, beat.devices) == (False, first.revision, ())
    assert beat.now > first.now


@asynccontextmanager
async def stalled(address: str) -> AsyncIterator[asyncio.StreamReader]:
    """A viewer that joined and reads no more than its small buffers take."""
    host, port = address.split(":")
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.connect((host, int(port)))
    reader, writer = await asyncio.open_connection(sock=peer, limit=4096)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /api/v1/live HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    try:
        async with asyncio.timeout(5):
            await reader.readuntil(b"\r\n\r\n")
        yield reader
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def read_until(reader: asyncio.StreamReader, wanted: bytes) -> int:
    """How many bytes came with `wanted`. Raises EOFError when the stream ends before."""
    count, tail = 0, b""
    async with asyncio.timeout(20):
        while wanted not in tail:
            chunk = await reader.read(65536)
            if not chunk:
                raise EOFError
            count += len(chunk)
            tail = tail[-100:] + chunk
    return count


async def test_more_viewers_than_allowed_are_told_so(serve):
    config = WebConfig(listen="127.0.0.1:0", viewers=1)
    async with serve(config) as (_, client), client.ws_connect("/api/v1/live") as stream:
        await view(stream)
        with pytest.raises(WSServerHandshakeError, match="503"):
            await client.ws_connect("/api/v1/live")
        await stream.close()
        async with client.ws_connect("/api/v1/live") as again:
            assert (await view(again)).whole


async def test_viewers_are_counted_while_they_are_there(serve):
    async with serve() as (_, client):
        async with client.ws_connect("/api/v1/live") as stream:
            await view(stream)
            async with client.get("/metrics") as answer:
                assert "gemelo_web_viewers 1.0" in await answer.text()
        async with client.get("/metrics") as answer:
            assert "gemelo_web_viewers 0.0" in await answer.text()


async def test_a_viewer_that_talks_is_sent_away(serve):
    async with serve() as (_, client), client.ws_connect("/api/v1/live") as stream:
        await view(stream)
        await stream.send_str("hello")
        message = await stream.receive(timeout=5)
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1003)


async def test_viewers_are_told_when_the_gateway_stops(serve):
    async with serve() as (_, client):
        stream = await client.ws_connect("/api/v1/live")
        await view(stream)
        reading = stream.receive
    message = await reading(timeout=5)
    assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING)


async def test_a_defect_in_the_console_ends_the_stream_with_a_reason_and_a_log(serve, room, monkeypatch, caplog):
    def broken(since: int = 0) -> Snapshot:
        raise KeyError(since)

    async with serve() as (_, client), client.ws_connect("/api/v1/live") as stream:
        await view(stream)
        monkeypatch.setattr(room, "snapshot", broken)
        room.report("default/thermo-1", "temperature", "1")
        message = await stream.receive(timeout=5)
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1011)
    assert "a live stream failed" in caplog.text
