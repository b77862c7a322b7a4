"""SQL over everything kept: sealed segments, points still in memory, results, events, and the gateway's live state.

A query passes the allow-list (`guard`), then runs in a process of its own pool on a DuckDB connection without access to
files, settings or Python, with a limit of rows and bytes, and a limit of memory. A late one ends with its process.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import structs

from runtime.clock import Clock
from store.journal import Journal
from store.points import Points
from store.schema import TWINS_AT
from store.segments import Segments
from store.sql import question
from store.sql.latest import Latest
from store.sql.question import Answer, Unreadable
from twins.errors import Rejected, Unavailable
from twins.exchange import Encoded, Newest, Rows, Scalar

if TYPE_CHECKING:
    from store.sql.process import Process, Unpacked
    from store.sql.question import Asked

T = TypeVar("T")

Live = Mapping[str, Callable[[], Iterable[tuple[Any, ...]]]]
"""Rows of `twins`, `devices` and `nodes`, asked for in the loop when a query reads them: columns as in `schema`, with
one device id (`namespace/name`) in place of the first two, times in microseconds. `booleans` are the device id and
name of each property whose numbers are `false` and `true`."""


_SEALED = frozenset(("points", "points_1m", "points_1h", TWINS_AT))
"""Tables that the points in memory are part of."""
_ATTEMPTS = 3
"""Segments may be removed, or prove to be damaged, while a query reads them: it looks again so often."""
_FREED = 5.0


class Sql:
    """Queries; at most `waiting` at a time, of which `workers` run and share `memory` MiB.

    DuckDB is loaded by the first, in a process; a second process starts when two queries come at once.
    """

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
        memory: int = 256,
    ) -> None:
        self._node = node
        self._journal = journal
        self._points = points
        self._segments = segments
        self._latest = Latest(points)
        self._live = {**live, "latest": self._latest.rows}
        self._clock = clock
        self._waiting = waiting
        self._memory = memory // workers
        self._threads = ThreadPoolExecutor(workers, "sql")
        self._running = 0
        self._idle: list[Process] = []

    async def sql(self, text: str, parameters: Sequence[Scalar] = (), *, deadline: float, limit: int) -> Rows:
        """The answer, cut at `limit` rows. Raises Rejected (the query is at fault or too long), Unavailable (busy)."""
        answer, _, elapsed = await self._asked(text, parameters, "rows", deadline, limit)
        return Rows(answer.columns, answer.rows, bool(answer.cut), elapsed)

    async def encoded(
        self, text: str, parameters: Sequence[Scalar] = (), *, form: question.Form, deadline: float, limit: int
    ) -> Encoded:
        """The answer as bytes that the process for queries made. Raises as `sql` does."""
        answer, body, elapsed = await self._asked(text, parameters, form, deadline, limit)
        return Encoded(answer.columns, body, answer.count, _notice(answer, limit), answer.plan, elapsed)

    async def prepared(self, work: Callable[[], T]) -> T:
        """What `work` makes of a text, in a thread that may load what queries need. Raises Unavailable without that."""

        def prepared() -> T:
            _check_libraries()
            return work()

        return await self._in_thread(prepared)

    async def merged(
        self,
        asked: Asked,
        parts: Mapping[str, Sequence[bytes]],
        parameters: Sequence[Scalar] = (),
        *,
        form: question.Form,
        deadline: float,
        limit: int,
    ) -> Encoded:
        """The answer to a query over our tables and these, each the rows of all its Arrow streams. Raises as `sql`."""
        answer, body, elapsed = await self._asked(asked, parameters, form, deadline, limit, parts)
        return Encoded(answer.columns, body, answer.count, _notice(answer, limit), answer.plan, elapsed)

    def latest(self, devices: Collection[str] = (), properties: Collection[str] = ()) -> Iterator[Newest]:
        """The newest point of each series, from memory; of these devices and properties where some are named."""
        return self._latest.of(devices, properties)

    def close(self) -> None:
        """Wait for what runs, and end the processes."""
        self._threads.shutdown(cancel_futures=True)
        while self._idle:
            self._idle.pop().end()

    async def _asked(
        self,
        text: str | Asked,
        parameters: Sequence[Scalar],
        form: question.Form,
        deadline: float,
        limit: int,
        given: Mapping[str, Sequence[bytes]] = MappingProxyType({}),
    ) -> tuple[Answer, bytes, int]:
        """Answer, bytes, and the microseconds it took."""
        if self._running >= self._waiting:
            message = f"{self._running} queries run or wait already: try again in a moment"
            raise Unavailable(message)
        if limit < 1 or deadline <= 0:
            reason = "limit and deadline must be greater than zero"
            raise Rejected(reason)
        started = self._clock.monotonic()
        self._running += 1
        try:
            answer, body = await self._answer(text, tuple(parameters), form, deadline, limit, given)
        finally:
            self._running -= 1
        return answer, body, int((self._clock.monotonic() - started) * 1e6)

    async def _answer(
        self,
        text: str | Asked,
        parameters: tuple[Scalar, ...],
        form: question.Form,
        deadline: float,
        limit: int,
        given: Mapping[str, Sequence[bytes]],
    ) -> tuple[Answer, bytes]:
        try:
            async with asyncio.timeout(deadline) as timer:
                guarded = await self._in_thread(lambda: self._guarded(text)) if isinstance(text, str) else text
                if guarded.parameters != len(parameters):
                    reason = f"the query has {guarded.parameters} parameters (?), and {len(parameters)} were given"
                    raise Rejected(reason)
                for _ in range(_ATTEMPTS):
                    asked = self._question(guarded, parameters, form, deadline, limit, given)
                    answer, body = await self._finished(asked)
                    if isinstance(answer, Answer):
                        return answer, body
                    await self._segments.set_aside(answer.names)
        except TimeoutError:
            if not timer.expired():
                raise
            reason = f"the query took longer than {deadline:g} s: ask for less time, fewer series or coarser buckets"
            raise Rejected(reason, 408) from None
        message = "segments keep disappearing: try again in a moment"
        raise Unavailable(message)

    def _question(
        self,
        guarded: Asked,
        parameters: tuple[Scalar, ...],
        form: question.Form,
        deadline: float,
        limit: int,
        given: Mapping[str, Sequence[bytes]],
    ) -> Unpacked:
        """Taken in one step of the loop: a point is in the snapshot or in a listed segment, never in neither."""
        from store.sql.process import Unpacked

        wanted = guarded.tables | ({"booleans"} if guarded.moments else set())
        live = {name: list(rows()) for name, rows in self._live.items() if name in wanted}
        points, seen = self._points, not _SEALED.isdisjoint(guarded.tables)
        asked = question.Question(
            guarded, parameters, limit, deadline, live, self._segments.known, points.version, form
        )
        asked = structs.replace(asked, given={name: tuple(streams) for name, streams in given.items()})
        return Unpacked(asked, seen, points.snapshot() if seen else (), points.series)

    async def _finished(self, asked: Unpacked) -> tuple[Answer | Unreadable, bytes]:
        """The answer and its bytes, or the segments that stand in its way.

        When cancelled (deadline, caller gone) end the process, and see that the thread is free again.
        """
        stopped = threading.Event()
        work = self._threads.submit(self._ask, asked, stopped)
        done = asyncio.wrap_future(work)
        done.add_done_callback(lambda end: end.cancelled() or end.exception())  # seen, even if nobody waits any more
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            stopped.set()
            if not work.cancel():
                await asyncio.wait([done], timeout=_FREED)
            raise

    def _ask(self, asked: Unpacked, stopped: threading.Event) -> tuple[Answer | Unreadable, bytes]:
        """In a thread: there are as many processes as threads at most."""
        try:
            process = self._idle.pop()
        except IndexError:
            process = self._process()
        try:
            return process.ask(asked, stopped)
        finally:
            self._idle.append(process)

    def _process(self) -> Process:
        from store.sql.process import Process

        file, directory = str(self._journal.file), str(self._segments.directory)
        return Process(question.Setting(self._node, file, directory, self._memory))

    def _guarded(self, text: str) -> Asked:
        _check_libraries()
        if not self._idle and self._running == 1:  # it gets ready while we load the guard
            process = self._process()
            process.start()
            self._idle.append(process)
        from store.sql.guard import guard

        return guard(text)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _notice(answer: Answer, limit: int) -> str:
    """Why the answer was cut, and how to get the rest."""
    if not answer.cut:
        return ""
    if answer.cut == "rows":
        return f"cut at the limit of {limit} rows, there are more"
    room = question.MOST >> 20
    return f"cut after {answer.count} rows, as an answer has room for {room} MiB: ask for less time or fewer columns"


def _check_libraries() -> None:
    """Raises Unavailable."""
    missing = [name for name in ("duckdb", "numpy", "pyarrow", "sqlglot") if not find_spec(name)]
    if missing:
        message = f"SQL is not installed ({missing[0]}): pip install 'gemelo[sql]'"
        raise Unavailable(message)
