"""A bench, a manager's double, and mappers between them."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from devices.mapper import Mapper, MapperConfig
from tests.devices.mapper.bench import MODEL, Bench
from tests.devices.mapper.manager import Manager

Runs = Callable[..., AbstractAsyncContextManager[Mapper]]


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A folder with a short path: the path of a unix socket has 107 bytes at most."""
    folder = Path(tempfile.mkdtemp(prefix="dmi"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
async def manager(sockets: Path) -> AsyncIterator[Manager]:
    """Running, and nobody has registered yet."""
    async with Manager(sockets / "dmi.sock") as running:
        running.models["bench"] = MODEL
        yield running


@pytest.fixture
def runs(sockets: Path) -> Runs:
    """`async with runs(driver) as mapper`: a running mapper; keywords are those of `MapperConfig`."""

    @asynccontextmanager
    async def run(kind: Any, *, wait: bool = True, **given: Any) -> AsyncIterator[Mapper]:
        mapper = Mapper(kind, MapperConfig(manager=sockets / "dmi.sock", **given))
        async with asyncio.TaskGroup() as group:
            running = group.create_task(mapper.run(), name="mapper")
            if wait:
                async with asyncio.timeout(20):
                    await mapper.ready.wait()
            try:
                yield mapper
            finally:
                running.cancel()

    return run
