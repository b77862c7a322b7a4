from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from store.state import FILE
from twins.exchange import Batch

PAGE = 4096
TWINS = {f"default/t-{n}": f"twin {n} ".encode() * 40 for n in range(60)}


def with_a_bad_page(kept: Path, place: Path) -> Iterator[Path]:
    """A folder for each page of the file, with that page overwritten."""
    content = kept.read_bytes()
    for page in range(0, len(content), PAGE):
        folder = place / f"page-{page}"
        folder.mkdir()
        (folder / FILE).write_bytes(content[:page] + b"\xa5" * PAGE + content[page + PAGE :])
        yield folder
        shutil.rmtree(folder)


def cut(file: Path, length: int) -> bytes:
    rest = file.read_bytes()[:length]
    file.write_bytes(rest)
    return rest


@pytest.fixture
async def kept(tmp_path: Path, journal_at: Any, point: Any) -> Path:
    """A `state.db` with something of everything, at rest."""
    folder = tmp_path / "kept"
    async with journal_at(folder) as (journal, _):
        manifests = {("Device", f"default/t-{n}"): b'{"kind":"Device"}' * 20 for n in range(30)}
        points = [point(n, series=f"default/t-{n % 50}/temperature") for n in range(2000)]
        batch = Batch(twins=dict(TWINS), manifests=manifests, points=points, seen=list(range(500)))
        await journal.committed(journal.append(batch))
    return folder / FILE


async def test_whatever_page_is_bad_the_rest_is_read_back(tmp_path: Path, journal_at: Any, kept: Path) -> None:
    most = 0
    for folder in with_a_bad_page(kept, tmp_path):
        async with journal_at(folder) as (journal, recovered):
            assert all(TWINS[name] == body for name, body in recovered.twins.items())
            most = max(most, 0 if len(recovered.twins) == len(TWINS) else len(recovered.twins))
            for event in recovered.events:
                assert event.kind == "StoreDamaged"
                assert int(event.detail["twins"]) == len(recovered.twins)
            await journal.committed(journal.append(Batch(twins={"default/new": b"new"})))
        async with journal_at(folder) as (_, again):
            assert again.twins == recovered.twins | {"default/new": b"new"}
    assert most > len(TWINS) // 2  # one bad page of twins costs the twins on it, not all


async def test_points_without_the_names_of_all_their_series_are_left_out(
    tmp_path: Path, journal_at: Any, kept: Path
) -> None:
    with sqlite3.connect(kept) as db:
        db.execute("DELETE FROM series WHERE id = 3")
        db.execute("UPDATE point_log SET blob = x'93'")
    db.close()
    async with journal_at(kept.parent) as (journal, recovered):
        (event,) = recovered.events
        assert recovered.twins == TWINS
        assert (event.detail["series"], event.detail["point_log"]) == ("0", "0")
        assert list(journal.series) == []


async def test_the_damaged_file_stays_as_it_was_found(journal_at: Any, kept: Path) -> None:
    damaged = cut(kept, 10 * PAGE)
    async with journal_at(kept.parent):
        assert (kept.parent / f"{FILE}.damaged-1").read_bytes() == damaged
        assert not list(kept.parent.glob("salvage-*"))
