"""A door on loopback, with doubles behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from typing import Any

import pytest

from devices.offload.config import OffloadConfig
from devices.offload.server import OffloadDoor
from tests.devices.offload.doubles import Light, MemoryIntake, ShiftedClock

Opens = Callable[..., AbstractAsyncContextManager[OffloadDoor]]


@pytest.fixture
def clock() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture
def intake() -> MemoryIntake:
    return MemoryIntake()


@pytest.fixture
def light(clock: ShiftedClock) -> Light:
    return Light(clock)


@pytest.fixture
def opens(intake: MemoryIntake, light: Light, clock: ShiftedClock) -> Opens:
    """`async with opens(credit=4) as door`: a running door; keywords are those of `OffloadConfig`, or of the door."""

    @asynccontextmanager
    async def open_door(**given: Any) -> AsyncIterator[OffloadDoor]:
        parts = {name: given.pop(name) for name in ("models", "known") if name in given}
        numbers = count(1)
        config = OffloadConfig(**({"listen": "127.0.0.1:0"} | given))
        door = OffloadDoor(config, intake, light, clock, lambda: f"offload:1:{next(numbers)}", **parts)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(door.run(), name="door")
            async with asyncio.timeout(10):
                await door.ready.wait()
            yield door
            running.cancel()

    return open_door


@pytest.fixture
async def door(opens: Opens) -> AsyncIterator[OffloadDoor]:
    async with opens() as running:
        yield running
