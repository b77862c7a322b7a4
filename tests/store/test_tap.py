"""The tap: lines of JSON for programs that read lines, of which a slow one slows nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from store import tap
from store.columns import Columns
from store.tap import Tap
from twins.errors import Unavailable
from twins.exchange import Point

SERIES = ["default/press-1/temperature", "default/press-1/state", "lab/x/y/z"]


def columns(*points: tuple[int, int, float | None, str | None]) -> Columns:
    made = [Point(SERIES[key], at, at, number, text) for key, at, number, text in points]
    return Columns.of(made, {name: key for key, name in enumerate(SERIES)})


async def so(look: Callable[[], bool]) -> None:
    """Let the loop turn until it is so."""
    async with asyncio.timeout(5):
        while not look():  # noqa: ASYNC110 - what is looked at tells nobody
            await asyncio.sleep(0)


@asynccontextmanager
async def tapped(*globs: str) -> AsyncIterator[tuple[Tap, str, int]]:
    made = Tap()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(made.run("127.0.0.1", 0, globs or ("*",)))
        await so(lambda: made.address is not None)
        assert made.address is not None
        yield made, *made.address
        running.cancel()
    assert made.address is None


async def reader(made: Tap, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    count = len(made._readers)
    streams = await asyncio.open_connection(host, port)
    await so(lambda: len(made._readers) > count)
    return streams


async def test_each_committed_point_is_a_line_for_everybody_who_reads() -> None:
    async with tapped() as (made, host, port), asyncio.timeout(5):
        made.take(1, columns((0, 1, 1.0, None)), SERIES)  # nobody is there yet
        first, one = await reader(made, host, port)
        second, other = await reader(made, host, port)
        made.take(2, columns((0, 1_795_255_200_250_000, 21.5, None), (2, 5, None, "open")), SERIES)
        for lines in (first, second):
            assert json.loads(await lines.readline()) == {
                "time": "2026-11-21T10:00:00.250000Z",
                "at": 1_795_255_200_250_000,
                "namespace": "default",
                "device": "press-1",
                "property": "temperature",
                "value": 21.5,
                "text": None,
                "seq": 1_795_255_200_250_000,
            }
            said = json.loads(await lines.readline())
            assert (said["device"], said["property"], said["value"], said["text"]) == ("x", "y/z", None, "open")
        assert made.counts.lines == 2
        for writer in (one, other):
            writer.close()


async def test_only_the_wanted_series_are_told() -> None:
    async with tapped("default/*/temperature", "lab/*") as (made, host, port), asyncio.timeout(5):
        lines, writer = await reader(made, host, port)
        made.take(1, columns((1, 1, None, "on")), SERIES[:2])
        made.take(2, columns((1, 2, None, "on"), (0, 3, 1.0, None), (2, 4, 2.0, None)), SERIES)
        assert [json.loads(await lines.readline())["at"] for _ in range(2)] == [3, 4]
        writer.close()


async def test_who_hangs_up_is_forgotten_and_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap, "READERS", 1)
    async with tapped() as (made, host, port), asyncio.timeout(5):
        _, writer = await reader(made, host, port)
        lines, other = await asyncio.open_connection(host, port)
        assert await lines.read() == b""
        assert made.counts.refused == 1
        other.close()
        writer.close()
        await so(lambda: not made._readers)


async def test_a_reader_that_takes_nothing_loses_the_oldest_is_counted_and_cut_off(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tap, "PATIENCE", 0.2)
    monkeypatch.setattr(tap, "ROOM", 4)
    async with tapped() as (made, host, port), asyncio.timeout(10):
        _, slow = await reader(made, host, port)
        lines, quick = await reader(made, host, port)
        slow.transport.pause_reading()
        long = columns((1, 1, None, "x" * 60_000))
        while not made.counts.dropped or len(made._readers) == 2:
            made.take(1, long, SERIES)
            with suppress(TimeoutError):
                async with asyncio.timeout(0.001):
                    while await lines.readuntil(b"\n"):
                        pass
        assert "cut off" in caplog.text
        slow.close()
        quick.close()


async def test_large_commits_wait_in_blocks_so_that_no_reader_holds_much_memory() -> None:
    async with tapped() as (made, host, port), asyncio.timeout(10):
        _, slow = await reader(made, host, port)
        slow.transport.pause_reading()
        (box,) = made._readers
        many = columns(*((0, at, 1.0, None) for at in range(20_000)))
        for commit in range(8):  # 160,000 lines, of which a few fit
            made.take(commit, many, SERIES)
        assert made.counts.dropped >= 8 * 20_000 // tap.BLOCK - 2 * tap.ROOM
        assert sum(map(len, await box.take(tap.ROOM))) < 16 << 20
        slow.close()


async def test_a_port_that_is_taken_is_told_with_the_way_out() -> None:
    async with tapped() as (_, host, port):
        with pytest.raises(Unavailable, match=r"choose another \[tap\] listen"):
            await Tap().run(host, port, ("*",))
