"""SQL over everything kept: sealed segments, points still in memory, results, events, and the gateway's live state.

A query passes the allow-list (`guard`), then runs in a thread of its own pool on a DuckDB connection without access to
files, settings or Python, with a deadline, a limit of rows and bytes, and a limit of memory.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from runtime.clock import Clock
from store.journal import Journal
from store.points import Points
from store.segments import Segments
from twins.errors import Rejected, Unavailable
from twins.exchange import Rows, Scalar

if TYPE_CHECKING:
    from store.query import Query, Sources

T = TypeVar("T")

Live = Mapping[str, Callable[[], Iterable[tuple[Any, ...]]]]
"""Rows of `twins`, `devices` and `nodes`, asked for in the loop when a query reads them: columns as in `schema`, with
one device id (`namespace/name`) in place of the first two, times in microseconds."""


class Sql:
    """Queries; at most `waiting` at a time, of which `workers` run. DuckDB is loaded by the first."""

    def __init__(
        self,
        node: str,
        journal: Journal,
        points: Points,
        segments: Segments,
        live: Live,
        clock: Clock,
        *,
        workers: int = 2,
        waiting: int = 16,
        memory: str = "256MB",
    ) -> None:
        self._node = node
        self._journal = journal
        self._points = points
        self._segments = segments
        self._live = live
        self._clock = clock
        self._waiting = waiting
        self._memory = memory
        self._threads = ThreadPoolExecutor(workers, "sql")
        self._running = 0
        self._sources: Sources | None = None
        self._starting = threading.Lock()

    async def sql(self, text: str, parameters: Sequence[Scalar] = (), *, deadline: float, limit: int) -> Rows:
        """The answer, cut at `limit` rows. Raises Rejected (the query is at fault or too long), Unavailable (busy)."""
        if self._running >= self._waiting:
            message = f"{self._running} queries run or wait already: try again in a moment"
            raise Unavailable(message)
        if limit < 1 or deadline <= 0:
            reason = "limit and deadline must be greater than zero"
            raise Rejected(reason)
        started = self._clock.monotonic()
        self._running += 1
        try:
            rows = await self._answer(text, tuple(parameters), deadline, limit)
        finally:
            self._running -= 1
        elapsed = int((self._clock.monotonic() - started) * 1e6)
        return Rows(rows.columns, rows.rows, rows.truncated, elapsed)

    def close(self) -> None:
        """Wait for what runs, and let DuckDB go."""
        self._threads.shutdown(cancel_futures=True)
        if self._sources is not None:
            self._sources.close()

    async def _answer(self, text: str, parameters: tuple[Scalar, ...], deadline: float, limit: int) -> Rows:
        try:
            async with asyncio.timeout(deadline) as timer:
                sources = await self._in_thread(self._prepared)
                guarded = await self._in_thread(lambda: sources.guard(text))
                live = {name: list(rows()) for name, rows in self._live.items() if name in guarded.tables}
                query = sources.query(guarded, parameters, limit, live, self._points, self._segments)
                return await self._finished(query)
        except TimeoutError:
            if not timer.expired():
                raise
            reason = f"the query took longer than {deadline:g} s: ask for less time, fewer series or coarser buckets"
            raise Rejected(reason, 408) from None

    async def _finished(self, query: Query) -> Rows:
        """Run it; when cancelled (deadline, caller gone) interrupt it and see that the thread is free again."""
        work = self._threads.submit(query.run)
        done = asyncio.wrap_future(work)
        done.add_done_callback(lambda end: end.cancelled() or end.exception())  # seen, even if nobody waits any more
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            while not (work.cancel() or work.done()):
                query.interrupt()
                await asyncio.wait([done], timeout=0.02)
            raise

    def _prepared(self) -> Sources:
        with self._starting:
            if self._sources is None:
                try:
                    from store.query import Sources
                except ImportError as error:
                    message = f"SQL is not installed ({error.name}): pip install 'gemelo[sql]'"
                    raise Unavailable(message) from error
                self._sources = Sources(self._node, self._journal.file, self._segments.directory, self._memory)
            return self._sources

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
