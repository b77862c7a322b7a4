"""The store as a whole: what the gateway opens, runs and closes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct

from runtime.clock import Clock
from store.blobs import Blobs
from store.columns import Columns
from store.decisions import Ring
from store.journal import Journal
from store.points import Points
from store.policies import Policies
from store.retention import Retention
from store.segment import DAY, KINDS, Kind
from store.segments import Segments
from store.space import FOLDER, Space
from store.sql.service import Live, Sql
from store.steps import Step, unwatched
from store.tap import Tap
from store.upkeep import Upkeep
from twins.exchange import Recovered

_MIB = 1024 * 1024


class StoreConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The section `[store]`."""

    path: str = "/var/lib/gemelo"
    """Directory of everything the gateway keeps."""
    commit_wait: float = 0.0
    """Seconds a commit waits for more to write: less wear of flash, later acknowledgements."""
    backlog_rows: int = 50_000
    """Rows that wait in memory while the disk takes none; then no input is taken."""
    seal_points: int = 100_000
    """Points that wait in memory before they are sealed into a segment."""
    seal_every: float = 1800.0
    """Seconds after which they are sealed anyway."""
    keep_days: float = 30.0
    """Days that points, results, events and decisions are kept."""
    minutes_days: float = 180.0
    hours_days: float = 1825.0
    """Days that rollups of one minute and of one hour are kept, but no fewer than their points."""
    points_mib: int = 4096
    """Most space of all segments; the oldest go first."""
    total_mib: int = 0
    """Most space of everything; the oldest points go first. 0: no more limit than those of its parts and the disk."""
    pictures_mib: int = 512
    """Most space of all blobs (pictures, clips); the oldest go first."""
    decisions: int = 100_000
    """Decisions of rules that are kept, each with what led to it; the oldest go first."""
    decisions_mib: int = 64
    """Most space of them."""
    sql_memory_mib: int = 256
    """Memory of all queries together."""

    @property
    def blobs(self) -> int:
        """Bytes that blobs may take: of a small store a quarter."""
        most = self.pictures_mib * _MIB
        return min(most, self.total_mib * _MIB // 4) if self.total_mib else most

    @property
    def ages(self) -> dict[Kind, int]:
        """Microseconds that each kind of segment is kept."""
        days = {"1m": self.minutes_days, "1h": self.hours_days}
        return {kind: int(days.get(kind, self.keep_days) * DAY) for kind in KINDS}


class Store:
    """Owns `state.db`, the segments and the blobs in one directory. Without the extra `sql` nothing is sealed."""

    def __init__(self, config: StoreConfig, node: str, clock: Clock, live: Live, *, step: Step = unwatched) -> None:
        path = Path(config.path).absolute()
        seals = all(find_spec(name) for name in ("duckdb", "pyarrow", "sqlglot"))
        self.points = Points(keep=seals, most=10 * config.seal_points)
        self.tap = Tap()
        self.policies = Policies(config.ages)
        self.journal = Journal(
            path,
            clock,
            wait=config.commit_wait,
            capacity=config.backlog_rows,
            most=config.total_mib * _MIB * 7 // 8 - config.blobs if config.total_mib else 0,
            ring=Ring(config.decisions, config.decisions_mib * _MIB),
            sink=self._committed,
            brake=lambda: self.points.pressure,
            step=step,
        )
        self.segments = Segments(
            path / "segments",
            node,
            self.journal,
            self.points,
            clock,
            policies=self.policies,
            space=Space(path, config.points_mib * _MIB, config.total_mib * _MIB, config.blobs),
            step=step,
        )
        self.sql = Sql(node, self.journal, self.points, self.segments, live, clock, memory=config.sql_memory_mib)
        self.blobs = Blobs(path / FOLDER, config.blobs, self.journal, clock)
        self._pictures = path / "pictures"
        self._seals = seals
        self.upkeep = Upkeep(
            self.segments, self.journal, self.points, clock, rows=config.seal_points, age=config.seal_every
        )
        self._retention = Retention(
            self.journal, self.segments if seals else None, self.policies, clock, size=config.points_mib * _MIB
        )

    def _committed(self, batch: int, columns: Columns, series: Sequence[str]) -> None:
        self.points.take(batch, columns, series)
        self.tap.take(batch, columns, series)

    async def open(self) -> Recovered:
        """Read everything back. Raises Unavailable or Broken, as the journal does."""
        recovered = await self.journal.open()
        try:
            rows = await self.journal.transact(
                lambda db: db.execute("SELECT id, at, seq, number, text FROM series WHERE at IS NOT NULL").fetchall()
            )
            self.points.restore(rows, self.journal.series)
            await self.blobs.open(self._pictures)
            if self._seals:
                await self.segments.open()
        except BaseException:
            await self.journal.close()
            raise
        return recovered

    async def run(self) -> None:
        """Commit, seal and remove until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.journal.run(), name="journal")
            group.create_task(self._retention.run(), name="retention")
            if self._seals:
                group.create_task(self.upkeep.run(), name="upkeep")

    async def close(self) -> None:
        """Commit what is pending and let go of everything; call it after `run` was cancelled."""
        await asyncio.to_thread(self.sql.close)
        await asyncio.to_thread(self.segments.close)
        await self.journal.close()
