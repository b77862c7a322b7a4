"""One link after the other, and the end that comes in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cloud.identity import Identity
from cloud.line import Line
from cloud.messages import Members, Object, TwinUpdate
from cloud.registration import Registration
from cloud.state import Counters
from runtime.clock import SystemClock
from simulator.cloudcore.options import Options
from tests.cloud.stage import NODE, World, world
from tests.gateway.stage import settle


@asynccontextmanager
async def lined(place: World, folder: Path) -> AsyncIterator[tuple[Line, asyncio.Task[str]]]:
    """A line that serves its first link."""
    clock, online = SystemClock(), asyncio.Event()
    identity = Identity(folder, NODE, clock)
    await identity.join(place.cloud.certificates_url, place.cloud.new_token())

    async def take(_: Object | Members | TwinUpdate) -> bool:
        return True

    line = Line(place.config(), identity, clock, take, lambda _: None, Registration(None, clock), Counters())
    async with line, asyncio.TaskGroup() as group:
        serving = group.create_task(line.serve(online.set))
        await online.wait()
        yield line, serving
        serving.cancel()


async def test_a_line_moves_to_a_new_connection_and_serves_it(options: Options, tmp_path: Path) -> None:
    async with world(options) as place, lined(place, tmp_path / "pki") as (line, serving):
        await place.until(lambda: place.verdicts("keepalive"))
        await line.move()
        await place.until(lambda: len(place.verdicts("keepalive")) == 2)
        assert len(place.verdicts("connected")) == 2
        assert not serving.done()


async def test_a_link_that_was_made_while_the_end_came_is_closed(options: Options, tmp_path: Path) -> None:
    """The cloud has just taken the second connection when the one is told to end who would have served it."""
    async with world(options) as place:
        async with lined(place, tmp_path / "pki") as (line, serving):
            await place.until(lambda: place.verdicts("keepalive"))
            place.cloud.record.watchers.append(lambda said: said["verdict"] == "connected" and serving.cancel())
            await line.move()
        await place.until(lambda: len(place.verdicts("disconnected")) == 2)
        assert place.verdicts("disconnected")[-1]["goodbye"]


async def test_an_end_that_comes_between_two_links_is_in_order(options: Options, tmp_path: Path) -> None:
    """The old link is gone, the new one not there yet: who makes it and who waits for it end together."""
    async with world(options) as place, lined(place, tmp_path / "pki") as (line, serving):
        await place.until(lambda: place.verdicts("keepalive"))
        place.cloud.start("half-open", 0.3)
        async with asyncio.TaskGroup() as group:
            moving = group.create_task(line.move())
            await settle()
            place.cloud.controller.sessions[NODE].abort()
            await settle()
            serving.cancel()
            moving.cancel()
        assert moving.cancelled()
