"""What is left of a segment when some of its series have had their days. Runs in the thread that seals.

Imports numpy and pyarrow: load it when first needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from store import parquet
from store.parquet import Job
from store.segment import DAY, Segment, sidecar
from store.table import NAMES, of_series, series_in

Gone = Callable[[str], bool]
"""Whether a series goes, by its name."""


def prune(job: Job, segment: Segment, sidecars: Sequence[Segment], gone: Gone) -> list[Segment]:
    """The segment without the series that go, as another; their rollups stay, apart from those of the others.

    Raises OSError, ValueError or pa.ArrowException.
    """
    day = segment.first // DAY
    name = job.name(segment.kind, day)
    made = _kept(job, segment, name, gone)
    for beside in sidecars:
        table = pq.read_table(job.directory / beside.name, page_checksum_verification=True)
        going = of_series(table, gone)
        parts = (
            (table.filter(pc.invert(going)), sidecar(name, beside.kind)),
            (
                table.filter(going),
                job.name(beside.kind, day, spare=True),
            ),
        )
        made += [job.write(part, each, [beside.name]) for part, each in parts if len(part)]
    return made


def shares(path: Path, owner: Callable[[str], str]) -> Counter[str]:
    """Rows of a file by the owner of their series. Raises OSError, ValueError or pa.ArrowException."""
    rows: Counter[str] = Counter()
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(parquet.ROWS, columns=list(NAMES)):
            names, ranks = series_in(pa.Table.from_batches([batch]))
            for name, count in zip(names, np.bincount(ranks).tolist(), strict=True):
                rows[owner("/".join(name))] += count
    return rows


def _kept(job: Job, segment: Segment, name: str, gone: Gone) -> list[Segment]:
    with pq.ParquetFile(job.directory / segment.name, page_checksum_verification=True) as file:
        chosen = parquet.codecs(pa.Table.from_batches([next(file.iter_batches(parquet.ROWS))]))
        rows = 0
        with job.writing(name, file.schema_arrow, chosen, [segment.name]) as out:
            for batch in file.iter_batches(parquet.ROWS):
                table = pa.Table.from_batches([batch])
                kept = table.filter(pc.invert(of_series(table, gone)))
                rows += len(kept)
                if len(kept):
                    out.write_table(kept)
    return [parquet.inspect(job.directory / name)] if rows else []
