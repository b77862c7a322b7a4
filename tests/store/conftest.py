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
