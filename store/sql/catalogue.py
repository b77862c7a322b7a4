"""The tables of one query: what it reads is made visible to its cursor, and as little of it as will do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pyarrow as pa

from store import decisions, records
from store.rollup import BUCKETS
from store.segment import Rollup, Segment, read_list, sidecar
from store.sql import views
from store.sql.memory import Kind
from store.sql.planner import TABLE
from store.sql.question import Question
from store.sql.sources import Sources
from store.sql.span import Span
from store.table import tabulate_rows

_LONG = 48 * BUCKETS["1h"]
"""From this span on rows of an hour are better than rows of a minute, whose ends have more points in them."""
_IN_STATE: Mapping[str, Callable[[Connection], list[tuple[Any, ...]]]] = {
    "events": records.events,
    "decisions": decisions.listed,
}


class Catalogue:
    """`offer` what the query reads. `paths` are the files it may read then, `plan` says in words what it reads."""

    def __init__(self, sources: Sources, question: Question, cursor: Any) -> None:
        self._sources = sources
        self._question = question
        self._cursor = cursor
        self._known = {segment.name for segment in question.segments}
        self._said: list[str] = []
        self.paths: list[Path] = []

    @property
    def plan(self) -> str:
        return "; ".join(self._said)

    def offer(self, name: str, span: Span) -> None:
        """Make a table of the schema visible. Raises duckdb.Error, sqlite3.Error, pa.ArrowException."""
        match name:
            case "points":
                self._show(name, self._points(name, "points", span))
            case "points_1m":
                self._show(name, [self._merged("1m")])
            case "points_1h":
                self._show(name, [self._merged("1h")])
            case "results":
                found, paths = self._results()
                self._cursor.register("_results", tabulate_rows(name, found, self._sources.node))
                self._show(name, [views.registered(name, "_results"), *self._sealed(name, paths)])
            case _:
                rows = self._rows(name)
                self._cursor.register(f"_{name}", tabulate_rows(name, rows, self._sources.node))
                self._show(name, [views.registered(name, f"_{name}")])

    def offer_twins(self, name: str, at: int) -> None:
        """Show the twins as they were at a time, by what was reported and desired until then."""
        question, past = self._question, Span(until=at + 1)
        for kind in ("points", "desired"):
            self._cursor.execute(views.view(f"{name}_{kind}", self._points(name, kind, past, mark=name))).fetchall()
        rows = [(*device.split("/", 1), prop) for device, prop in question.live.get("booleans", [])]
        columns = zip(*rows, strict=True) if rows else ((), (), ())
        names = ("namespace", "device", "property")
        booleans = pa.table([pa.array(column, pa.string()) for column in columns], names)
        self._cursor.register(f"{name}_booleans", booleans)
        self._show(name, [views.twins(name, at)])

    def offer_rolled(self, span: Span) -> bool:
        """Show `rolled`, of exactly the points in the span; false when there are no rollups for them."""
        rolled = self._question.asked.rolled
        if rolled is None or not span.exact:
            return False
        bucket: Rollup = "1h" if rolled.hourly and span.until - span.since >= _LONG else "1m"
        since, until = span.inner(BUCKETS[bucket])
        meeting = self._meeting("points", span)
        covered = [one for one in meeting if one.last >= since and one.first < until and self._has(one, bucket)]
        if not covered or since >= until:
            return False
        rollups = [self._path(sidecar(one.name, bucket)) for one in covered]
        inside, parts = views.within(since, until), []
        parts.append(views.of_rollups(rollups, inside))
        raw = [self._path(one.name) for one in covered]
        self.paths += [*rollups, *raw]
        also = " AND value IS NOT NULL" if rolled.numbers else ""
        texts = [] if rolled.numbers else [path for path in raw if self._sources.has_texts(path)]
        if texts:
            parts.append(views.as_rolled(views.files(texts), f"{inside} AND value IS NULL"))
        for first, end in ((span.since, since), (until, span.until)):
            ends = [self._path(one.name) for one in covered if first <= one.last and one.first < end and first < end]
            if ends:
                parts.append(views.as_rolled(views.files(ends), views.within(first, end) + also))
        self._said.append(f"rollups of {bucket} for {len(covered)} of {len(meeting)} segments")
        names = {one.name for one in covered}
        rest = self._points("points", "points", span, without=names)
        source = f"({' UNION ALL '.join(rest)})"
        parts.append(views.as_rolled(source, views.within(span.since, span.until) + also))
        self._show(TABLE, parts)
        return True

    def _points(self, name: str, kind: Kind, span: Span, *, without: Collection[str] = (), mark: str = "") -> list[str]:
        """Parts of a table of points: those in memory, and those in segments that meet the span."""
        question = self._question
        table = self._sources.memory.table(kind, span, question.version, question.segments)
        given = f"{mark}_{kind}_given"
        self._cursor.register(given, table)
        listed = [one for one in self._meeting(kind, span) if one.name not in without]
        paths = [self._path(one.name) for one in listed]
        total = sum(one.kind == kind for one in question.segments)
        self._said.append(f"{name}: {len(listed)} of {total} segments and {len(table)} rows in memory")
        return [views.registered("points", given), *self._sealed("points", paths)]

    def _merged(self, bucket: Rollup) -> str:
        """All rollups, those too whose points are gone; and what is not rolled up yet."""
        there = [one for one in self._question.segments if one.kind == bucket]
        bare = [one for one in self._question.segments if one.kind == "points" and not self._has(one, bucket)]
        rollups, raw = ([self._path(one.name) for one in found] for found in (there, bare))
        self.paths += [*rollups, *raw]
        question = self._question
        self._cursor.register(
            "_points", self._sources.memory.table("points", Span(), question.version, question.segments)
        )
        points = [f"({views.registered('points', '_points')})", *([views.files(raw)] if raw else [])]
        self._said.append(f"points_{bucket}: {len(there)} segments, {len(bare)} without rollups")
        return views.merged(bucket, rollups, points)

    def _meeting(self, kind: str, span: Span) -> list[Segment]:
        return [one for one in self._question.segments if one.kind == kind and span.meets(one.first, one.last)]

    def _has(self, segment: Segment, bucket: Rollup) -> bool:
        return sidecar(segment.name, bucket) in self._known

    def _sealed(self, name: str, paths: Sequence[Path]) -> list[str]:
        self.paths += paths
        return [views.sealed(name, paths)] if paths else []

    def _show(self, name: str, parts: Sequence[str]) -> None:
        self._cursor.execute(views.view(name, parts)).fetchall()

    def _results(self) -> tuple[list[tuple[Any, ...]], list[Path]]:
        """Rows and list of segments from one state of the disk: a result is in the one or in the other."""
        connection = records.reader(self._sources.file)
        try:
            connection.execute("BEGIN")
            known = [segment for segment in read_list(connection) if segment.kind == "results"]
            return records.results(connection)[1], [self._path(segment.name) for segment in known]
        finally:
            connection.close()

    def _rows(self, name: str) -> Sequence[tuple[Any, ...]]:
        """All of a table that is no points: from `state.db`, else what was given with the question."""
        found = _IN_STATE.get(name)
        if found is None:
            return self._question.live.get(name, [])
        with closing(records.reader(self._sources.file)) as connection:
            return found(connection)

    def _path(self, name: str) -> Path:
        return self._sources.directory / name
