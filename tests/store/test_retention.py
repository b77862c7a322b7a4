from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from store.checksums import note
from store.manifest import Retention
from store.policies import Policies
from store.segment import DAY, KINDS
from store.space import occupied
from store.store import Store
from tests.store.clocks import Still
from twins.errors import Rejected
from twins.exchange import Batch, Point
from twins.schema import decode

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
EACH = 57_000


def retention(name: str, series: str, **spec: Any) -> Retention:
    document = {"kind": "Retention", "metadata": {"name": name}, "spec": {"series": series, **spec}}
    return decode(document, Retention, name)


def policies(days: float, *manifests: Retention) -> Policies:
    found = Policies({kind: int(days * DAY) for kind in KINDS})
    for manifest in manifests:
        found.set(manifest.id, manifest)
    return found


def test_the_longest_pattern_that_fits_holds() -> None:
    some = policies(
        30, retention("a", "*", days=3), retention("b", "default/*/vibration", days=1), retention("c", "plant/*")
    )
    some.clock = 100 * DAY
    assert some.expired("default/m-1/vibration", "points", 100 * DAY) == 99 * DAY
    assert some.expired("default/m-1/temperature", "points", 100 * DAY) == 97 * DAY
    assert some.expired("plant/x/y", "points", 100 * DAY) == 70 * DAY
    some.set("default/a", None)
    assert some.expired("default/m-1/temperature", "points", 100 * DAY) == 70 * DAY


def test_rollups_are_kept_no_shorter_than_their_points() -> None:
    some = policies(30, retention("a", "default/a/*", days=9, rollups={"1m": 3, "1h": 60}))
    some.clock = 100 * DAY
    policy = some.of("default/a/b")
    assert [some.horizon(policy, kind) for kind in ("points", "1m", "1h")] == [91 * DAY, 91 * DAY, 40 * DAY]


@pytest.mark.parametrize("spec", [{"days": 0}, {"mib": -1}, {"rollups": {"2m": 3}}, {"serie": "x"}, {"series": ""}])
def test_a_manifest_that_makes_no_sense_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(Rejected):
        retention("a", **{"series": "*", **spec})


async def put(store: Store, *points: Point) -> None:
    await store.journal.committed(store.journal.append(Batch(points=list(points))))


def devices(store: Store, kind: str = "points") -> Counter[str]:
    """Rows by device in the segments of a kind."""
    found: Counter[str] = Counter()
    for segment in store.segments.known:
        if segment.kind == kind:
            found.update(pq.read_table(store.segments.path(segment)).column("device").to_pylist())
    return found


async def fill(store: Store, days: int, each: int = 10) -> None:
    chance = random.Random(1)
    for day in range(days):
        for name in ("a", "b"):
            points = [
                Point(f"default/{name}/p", day * DAY + n * 1_000_000, n, chance.random(), None) for n in range(each)
            ]
            await put(store, *points)
        await store.segments.seal()


async def test_series_go_apart_by_age_and_their_rollups_stay(tmp_path: Path, store_at: Any) -> None:
    async with store_at(tmp_path, keep_days=3.0, minutes_days=3.0, hours_days=9.0, clock=Still(0)) as store:
        store.policies.set("default/a", retention("a", "default/a/*", days=1, rollups={"1m": 2, "1h": 9}))
        await fill(store, 4)
        await sweep(store, now=4 * DAY)
        assert devices(store) == {"a": 10, "b": 30}
        assert devices(store, "1m") == {"a": 2, "b": 3}
        assert devices(store, "1h") == {"a": 4, "b": 4}
        while await store.segments.merge():
            pass
        await sweep(store, now=4 * DAY)
        assert devices(store) == {"a": 10, "b": 30}
        assert devices(store, "1m") == {"a": 2, "b": 3}
        assert devices(store, "1h") == {"a": 4, "b": 4}
        assert store.segments.counts.removed == 40
        await put(store, Point("default/a/p", 1, 1, 5.0, None), Point("default/a/p", 4 * DAY - 1, 1, 5.0, None))
        await store.segments.seal()
        assert devices(store)["a"] == 11
        assert store.segments.counts.expired == 1
    async with store_at(tmp_path, keep_days=3.0, minutes_days=3.0, hours_days=9.0, clock=Still(0)) as store:
        assert devices(store) == {"a": 11, "b": 30}
        files = {file.name for file in store.segments.directory.iterdir()}
        assert files == {segment.name for segment in store.segments.known}


async def sweep(store: Store, now: int) -> None:
    """As if it were `now`, by a clock that is believed."""
    store._retention._clock = Still(now)  # type: ignore[assignment]
    await store.journal.transact(lambda db: note(db, "swept", now))
    store._retention._last, store._retention._doubt = None, 0.0
    await store._retention.sweep()


async def test_series_go_by_bytes_oldest_first_and_do_not_come_back(tmp_path: Path, store_at: Any) -> None:
    async with store_at(tmp_path, clock=Still(4 * DAY)) as store:
        await fill(store, 3, each=EACH)
        store.policies.set("default/a", retention("a", "default/a/*", mib=1))
        each = sum(one.bytes for one in store.segments.known if one.kind == "points") / 6
        assert 2 * each < MIB < 3 * each
        await sweep(store, now=4 * DAY)
        assert devices(store) == {"a": 2 * EACH, "b": 3 * EACH}
        await put(store, Point("default/a/p", 5, 5, 3.5, None), Point("default/b/p", 5, 5, 3.5, None))
        await store.segments.seal()
        assert store.segments.counts.expired == 1
        assert devices(store) == {"a": 2 * EACH, "b": 3 * EACH + 1}


def on_a_disk(folder: Path, size: int, what: str, **settings: Any) -> dict[str, Any]:
    folder.mkdir()
    script = str(Path(__file__).with_name("small_disk.py"))
    words = ["unshare", "-rm", sys.executable, script, str(folder), str(size), what, json.dumps(settings)]
    ended = subprocess.run(
        words, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    if "unshare" in ended.stderr or "mount:" in ended.stderr:
        pytest.skip(f"no small disk can be made here: {ended.stderr.strip()[:100]}")
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("total", "points"), [(24, 3), (12, 4096)])
def test_no_ceiling_is_ever_passed(tmp_path: Path, total: int, points: int) -> None:
    found = on_a_disk(
        tmp_path / "disk", 64, "ceiling", total_mib=total, points_mib=points, pictures_mib=1, seal_points=40_000
    )
    assert found["most"] <= total * MIB
    assert found["segments"] <= points * MIB
    assert [line for line in found["warnings"] if "want of space" not in line] == []
    assert found["full"] == 0
    assert found["crowded"] > 0
    assert found["merges"] > 0
    assert found["committed"] == found["kept"] + found["removed"] + found["unsealed"] + found["expired"]
    assert found["newest"] == (found["committed"] - found["unsealed"]) * 1000 - 1000


def test_a_disk_that_others_fill_stops_the_store_until_there_is_room_and_costs_nothing(tmp_path: Path) -> None:
    found = on_a_disk(tmp_path / "disk", 64, "crowded", seal_points=1_000_000)
    assert found["faults"]
    assert (found["fault"], found["sealing"]) == (None, None)
    assert found["committed"] == found["kept"] + found["removed"] + found["unsealed"] + found["expired"]
    assert found["removed"] == found["crowded"]


def test_what_a_folder_takes_is_counted_in_blocks(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"x" * 5000)
    assert occupied(tmp_path) >= 5000
    assert occupied(tmp_path / "none") == 0
    before = occupied(tmp_path)
    (tmp_path / "second").hardlink_to(next(path for path in tmp_path.rglob("*") if path.is_file()))
    assert occupied(tmp_path) == before
