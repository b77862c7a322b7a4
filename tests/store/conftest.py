"""Fixtures of the store's tests: a journal that runs, and short ways to say batches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.clock import SystemClock
from store.journal import Journal
from store.store import Store, StoreConfig
from twins.exchange import Point, Recovered


@asynccontextmanager
async def running(path: Path, **settings: Any) -> AsyncIterator[tuple[Journal, Recovered]]:
    """An open journal whose writer runs; closed at the end."""
    journal = Journal(path, settings.pop("clock", SystemClock()), **settings)
    recovered = await journal.open()
    try:
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(journal.run(), name="journal")
            yield journal, recovered
            writer.cancel()
    finally:
        await journal.close()


@pytest.fixture
def point() -> Any:
    """A point of a thermometer, with what matters changed."""

    def make(at: int = 1, *, series: str = "default/t-1/temperature", seq: int = 0, **rest: Any) -> Point:
        return Point(series, at, seq, rest.get("number", 20.5), rest.get("text"))

    return make


@pytest.fixture
def journal_at() -> Any:
    return running


@asynccontextmanager
async def running_store(path: Path, **settings: Any) -> AsyncIterator[Any]:
    """An open store that runs, with two devices in its live tables; nothing is sealed unless a test says so."""
    live = {
        "twins": lambda: [("default/t-1", "temperature", "20.5", None, 1_000_000, None, 3, 0)],
        "devices": lambda: [("default/t-1", "thermometer", "online", "hall", 2_000_000, 1)],
        "nodes": lambda: [("edge-1", "home", "", "{}", None, None)],
    }
    settings.setdefault("keep_days", 1e6)  # tests live in 1970
    clock, wants = settings.pop("clock", SystemClock()), settings.pop("recovered", False)
    store = Store(StoreConfig(path=str(path), **settings), "edge-1", clock, live)
    recovered = await store.open()
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(store.run(), name="store")
            yield (store, recovered) if wants else store
            running.cancel()
    finally:
        await store.close()


@pytest.fixture
def store_at() -> Any:
    return running_store
