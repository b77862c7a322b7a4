"""What the thread of `state.db` does for the journal: reads back on start, writes a group of batches as one commit."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec

from store import records
from store.checksums import bad, checksum, note
from store.columns import Columns
from store.decisions import Ring
from store.state import Damaged, transaction
from store.steps import Step, unwatched
from twins.exchange import Batch, Event, Recovered


class Writer:
    """Owned by the database's thread, but for `series` and `id`, which others may read. Keeps `digests` at least."""

    def __init__(self, digests: int, ring: Ring, step: Step = unwatched) -> None:
        self._digests = digests
        self._ring = ring
        self._step = step
        self._ids: dict[str, int] = {}
        self._seen: deque[tuple[int, int]] = deque()
        self._seen_total = 0
        self.series: list[str] = []
        self.id = ""
        self.durable = 0

    def recover(
        self, connection: sqlite3.Connection, news: Event | None
    ) -> tuple[Recovered, list[tuple[int, Columns]]]:
        """Count this start and read everything back, with the points not sealed yet. Raises Damaged."""
        if lost := bad(connection):
            message = "rows are not as they were written: " + ", ".join(f"{n} of {table}" for table, n in lost.items())
            raise Damaged(message)
        with transaction(connection):
            if news is not None:
                records.write_events(connection, [news])
                # Causes carry the boot: a count that begins again must not repeat those of the lost file.
                note(connection, "boot", news.at // 1_000_000)
            note(connection, "boot", _meta(connection, "boot") + 1)
        try:
            recovered = records.read(connection)
            logged = connection.execute("SELECT batch, blob FROM point_log ORDER BY batch")
            unsealed = [(batch, Columns.unpack(blob)) for batch, blob in logged]
            seen = connection.execute("SELECT batch, digests FROM seen ORDER BY batch")
            self._seen = deque((batch, len(records.unpack_seen(blob))) for batch, blob in seen)
        except (msgspec.MsgspecError, ValueError) as error:
            raise Damaged(str(error)) from error
        self._seen_total = len(recovered.seen)
        self._ring.recover(connection)
        self.series[:] = [name for (name,) in connection.execute("SELECT name FROM series ORDER BY id")]
        self._ids = {name: number for number, name in enumerate(self.series)}
        self.durable = _meta(connection, "batch")
        self.id = _meta(connection, "id")
        return recovered, unsealed

    def write(self, connection: sqlite3.Connection, group: Sequence[tuple[int, Batch]]) -> tuple[int, Columns]:
        """Commit what of `group` is not on disk yet; returns the last number on disk, and the points written.

        A commit whose waiter was cancelled went on in this thread: its batches come again, and are not written twice.
        """
        with transaction(connection):
            self.durable = _meta(connection, "batch")
            batches = [batch for number, batch in group if number > self.durable]
            if not batches:
                return self.durable, Columns()
            last = group[-1][0]
            records.write(connection, batches)
            fresh, columns = self._write_points(connection, last, batches)
            seen = self._write_seen(connection, last, batches)
            decisions = self._ring.write(connection, [one for batch in batches for one in batch.decisions])
            note(connection, "batch", last)
            self._step("commit:begin")
        self._step("commit:done")
        self._ids.update(fresh)
        self.series.extend(fresh)
        self._forget(last, seen)
        self._ring.done(decisions)
        self.durable = last
        return last, columns

    def _write_points(
        self, connection: sqlite3.Connection, last: int, batches: Sequence[Batch]
    ) -> tuple[dict[str, int], Columns]:
        points = [point for batch in batches for point in batch.points]
        if not points:
            return {}, Columns()
        ids = self._ids
        unknown = {point.series for point in points}.difference(ids)
        fresh = {name: number for number, name in enumerate(sorted(unknown), len(ids))}
        if fresh:
            rows = ((number, name, checksum(number, name)) for name, number in fresh.items())
            connection.executemany("INSERT INTO series (id, name, crc) VALUES (?, ?, ?)", rows)
            ids = ids | fresh
        columns = Columns.of(points, ids)
        row = (last, min(columns.at), max(columns.at), columns.pack())
        connection.execute("INSERT INTO point_log VALUES (?, ?, ?, ?, ?)", (*row, checksum(*row)))
        return fresh, columns

    def _write_seen(self, connection: sqlite3.Connection, last: int, batches: Sequence[Batch]) -> int:
        digests = [digest for batch in batches for digest in batch.seen]
        if not digests:
            return 0
        row = last, records.pack_seen(digests)
        connection.execute("INSERT INTO seen VALUES (?, ?, ?)", (*row, checksum(*row)))
        if self._seen and self._seen_total - self._seen[0][1] >= self._digests:
            connection.execute("DELETE FROM seen WHERE batch <= ?", [self._outdated()])
        return len(digests)

    def _outdated(self) -> int:
        """The last batch whose digests may go."""
        total, last = self._seen_total, 0
        for batch, count in self._seen:
            if total - count < self._digests:
                break
            total, last = total - count, batch
        return last

    def _forget(self, last: int, added: int) -> None:
        if not added:
            return
        while self._seen and self._seen_total - self._seen[0][1] >= self._digests:
            self._seen_total -= self._seen.popleft()[1]
        self._seen.append((last, added))
        self._seen_total += added


def _meta(connection: sqlite3.Connection, key: str) -> Any:
    (value,) = connection.execute("SELECT value FROM meta WHERE key = ?", [key]).fetchone()
    return value
