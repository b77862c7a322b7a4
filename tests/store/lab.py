"""A store with uploads that run: short ways to say manifests, points and what is there on the other side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from runtime.clock import Clock, SystemClock
from store.columns import Columns
from store.segment import Segment
from store.space import FOLDER
from store.store import Store
from store.table import tabulate
from store.uploads.manifest import Upload
from store.uploads.uploads import Uploads
from tests.clock import SleepingClock
from twins.exchange import Batch, Point, Severity
from twins.schema import decode

DAY = 86_400_000_000
NOON = 20_000 * DAY + DAY // 2
"""Noon of 2024-10-04, in microseconds."""
DEADLINE = 45.0


def upload(name: str = "all", **spec: Any) -> Upload:
    """A manifest: all series, when asked, unless said otherwise."""
    spec.setdefault("select", {"series": ["*"]})
    spec.setdefault("policy", {"onDemand": {}})
    return decode({"kind": "Upload", "metadata": {"name": name}, "spec": spec}, Upload, name)


class Lab:
    """The uploads of a store, and the events they told."""

    def __init__(self, store: Store, folder: Path, clock: Clock, segments: Any, **more: Any) -> None:
        self.store = store
        self.told: list[tuple[str, str, str]] = []
        look = 1.0 if isinstance(clock, SleepingClock) else 0.02
        blobs = folder / FOLDER
        self.uploads = Uploads(
            "edge-1", "UTC", segments, store.journal, blobs, folder / "uploads", self._tell, clock, look=look, **more
        )

    def apply(self, *uploads: Upload) -> None:
        for each in uploads:
            self.uploads.apply(each.id, each)

    async def put(self, *points: Point) -> None:
        await self.store.journal.committed(self.store.journal.append(Batch(points=list(points))))

    async def ask(self, name: str = "default/all", span: tuple[int, int] = (0, 1 << 60)) -> None:
        """Ask for a span."""
        await self.uploads.start(name, span, "api")

    async def sent(self, name: str = "default/all") -> None:
        """Wait until nothing that was asked for is left."""
        await until(lambda: self.view(name).waiting == 0 and self.view(name).state != "starting")

    def view(self, name: str = "default/all") -> Any:
        return next(view for view in self.uploads.views() if view.id == name)

    async def _tell(self, kind: str, subject: str, severity: Severity, message: str) -> None:
        self.told.append((kind, subject, message))


@asynccontextmanager
async def lab(
    store_at: Any, folder: Path, *uploads: Upload, clock: Clock | None = None, files: Files | None = None, **more: Any
) -> AsyncIterator[Lab]:
    """A store in `folder` with these uploads, of its segments or of `files`; both run."""
    async with store_at(folder, seal_every=1e6) as store:
        made = Lab(store, folder, clock or SystemClock(), files or store.segments, **more)
        made.apply(*uploads)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(made.uploads.run(), name="uploads")
            yield made
            running.cancel()


async def until(condition: Any) -> None:
    """Return as soon as it holds; an error after `DEADLINE`."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - it is looked at from outside
            await asyncio.sleep(0.02)


def points(*ats: int, device: str = "t-1", name: str = "temperature") -> list[Point]:
    """Points of one series at these microseconds after noon; the number tells the time again."""
    return [Point(f"default/{device}/{name}", NOON + at, at, at / 10, None) for at in ats]


def hive(
    folder: Path | str, kind: str = "points", columns: str = "device, property, epoch_us(time), value"
) -> list[Any]:
    """The rows that DuckDB reads of the whole layout, sorted."""
    pattern = f"{folder}/{kind}/**/*.parquet"
    if not list(Path(folder).glob(f"{kind}/**/*.parquet")):
        return []
    query = f"SELECT {columns} FROM read_parquet('{pattern}', hive_partitioning = true) ORDER BY ALL"
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()


def rows(given: list[Point]) -> list[Any]:
    """The same of points."""
    parts = [(each.series.split("/"), each) for each in given]
    return sorted((series[1], series[2], each.at, each.number) for series, each in parts)


class Files:
    """What uploads use of `Segments`, with merges at will: any sealed files become one, as compaction has it."""

    def __init__(self, folder: Path) -> None:
        self.known: tuple[Segment, ...] = ()
        self._folder = folder
        self._waiting: list[Point] = []
        self._number = 0
        folder.mkdir(parents=True)

    def path(self, segment: Segment) -> Path:
        return self._folder / segment.name

    def add(self, *points: Point) -> None:
        self._waiting += points

    async def seal(self) -> list[Segment]:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return []
        names = sorted({point.series for point in waiting})
        ids = {name: number for number, name in enumerate(names)}
        self.known = (*self.known, self._written(tabulate([Columns.of(waiting, ids)], names, "edge-1")))
        return [self.known[-1]]

    def merge(self, *gone: Segment) -> None:
        """One file of these, in one step; what they had is deleted."""
        whole = pa.concat_tables([pq.read_table(self.path(each)) for each in gone]).unify_dictionaries()
        plain = pa.schema([(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in whole.schema])
        order = [(name, "ascending") for name in ("namespace", "device", "property", "time", "seq")]
        made = self._written(whole.cast(plain).sort_by(order).cast(whole.schema))
        self.known = (*(each for each in self.known if each not in gone), made)
        self._delete(gone)

    def remove(self, *gone: Segment) -> None:
        self.known = tuple(each for each in self.known if each not in gone)
        self._delete(gone)

    def _delete(self, gone: Sequence[Segment]) -> None:
        for each in gone:
            self.path(each).unlink()

    def _written(self, table: pa.Table) -> Segment:
        self._number += 1
        name = f"0a-points-{self._number:012d}.parquet"
        pq.write_table(table, self._folder / name, row_group_size=500)
        at = table.column("time").cast(pa.int64()).to_pylist()
        return Segment(name, "points", min(at), max(at), len(table), (self._folder / name).stat().st_size)
