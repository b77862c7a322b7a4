"""Bits are flipped and files are cut off in a store at rest: all of it is noticed, and the rest is served.

What is there is compared with what was there. Nothing may differ silently: either it is the same, or the start tells.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from store import decisions, records
from store.blobs import files
from store.doctor import examine
from store.segment import DAY
from store.store import Store
from tests.store.clocks import Still
from twins.exchange import Batch, Decision, Event, OutboxRow, Point, Recovered, Result

ROOT = Path(__file__).parents[2]
Content = dict[str, Any]


@pytest.fixture
async def kept(tmp_path: Path, store_at: Any) -> Path:
    """A store at rest with something of everything."""
    chance = random.Random(1)
    folder = tmp_path / "kept"
    async with store_at(folder, clock=Still(3 * DAY)) as store:
        for day in range(3):
            points = [
                Point(
                    f"default/d-{n % 9}/p", day * DAY + n * 1000, n, chance.random(), chance.choice([None, f"text {n}"])
                )
                for n in range(400)
            ]
            batch = Batch(
                points=points,
                twins={f"default/d-{n}": f"twin {n} {day}".encode() * 9 for n in range(30)},
                rules={f"r-{n}": b"rule" * n for n in range(9)},
                timers={f"t-{n}": (n, b"timer") for n in range(9)},
                manifests={("Device", f"default/d-{n}"): b'{"kind":"Device"}' * 5 for n in range(20)},
                outbox={f"o-{n}": OutboxRow(f"o-{n}", "event", "default/d-1", n, b"body", "cause") for n in range(9)},
                decisions=[
                    Decision(
                        n, f"mqtt:{day}:{n}", "default/r", "k", "default/d-1/p", "hot", "A", "B", "", f'{{"n":{n}}}'
                    )
                    for n in range(20)
                ],
                events=[Event(f"e-{day}-{n}", n, "Alarm", "default/d-1", "alert", f"said {n}") for n in range(20)],
                results=[Result("default/cam", "person", "1", n, day * DAY + n, ()) for n in range(20)],
                seen=list(range(day * 100, day * 100 + 50)),
            )
            await store.journal.committed(store.journal.append(batch))
            if day < 2:
                await store.segments.seal()
    return folder


async def content(store: Store, recovered: Recovered) -> Content:
    """All that is there."""
    await store.segments.scrub()
    connection = records.reader(store.journal.file)
    found: Content = {name: getattr(recovered, name) for name in ("twins", "rules", "timers", "manifests", "outbox")}
    found["seen"] = sorted(recovered.seen)
    found["events"] = sorted(row for row in records.events(connection) if not row[1].endswith("Damaged"))
    found["decisions"] = sorted(decisions.listed(connection))
    found["results"] = sorted(row[:3] for row in records.results(connection)[1])
    connection.close()
    found["series"] = list(store.journal.series)
    found["points"] = Counter(
        point for chunk in store.points.snapshot() for point in chunk.points(store.journal.series)
    )
    for segment in store.segments.known:
        table = pq.read_table(store.segments.path(segment))
        time = table.column("time").cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
        found[segment.name.partition("-")[2]] = table.set_column(0, "time", time).to_pylist()
    return found


async def opened(folder: Path, store_at: Any) -> tuple[Content, list[Event]]:
    async with store_at(folder, clock=Still(3 * DAY), recovered=True) as (store, recovered):
        found = await content(store, recovered)
        rows = await store.journal.transact(lambda db: db.execute("SELECT kind, message FROM events").fetchall())
    return found, [message for kind, message in rows if kind.endswith("Damaged")]


def harm(path: Path, chance: random.Random) -> str:
    """Flip a bit, or cut off."""
    size = path.stat().st_size
    place = chance.randrange(size)
    if chance.random() < 0.2:
        os.truncate(path, place)
        return f"{path.name} cut at {place}"
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0] ^ (1 << chance.randrange(8))
        file.seek(place)
        file.write(bytes([byte]))
    return f"{path.name} flipped at {place}"


def lies_within(found: Any, whole: Any) -> bool:
    """True if all that is found was there: less may be."""
    if isinstance(whole, dict):
        return all(key in whole and whole[key] == value for key, value in found.items())
    rest = list(whole)
    for one in found:
        if one not in rest:
            return False
        rest.remove(one)
    return True


async def noticed_everywhere(kept: Path, tmp_path: Path, store_at: Any, times: int) -> None:
    chance = random.Random()
    whole, said = await opened(kept, store_at)
    assert said == []
    told = 0
    for number in range(times):
        folder = tmp_path / str(number)
        shutil.copytree(kept, folder)
        targets = [folder / "state.db"] * 3 + sorted((folder / "segments").glob("*.parquet"))
        what = harm(chance.choice(targets), chance)
        report = examine(folder)
        found, said = await opened(folder, store_at)
        if found == whole:
            assert said or "state.db" in what, f"{what}: a segment is not as it was, and nobody noticed"
        else:
            assert said, f"{what}: something is missing or differs, and nobody was told"
            assert not report.sound, f"{what}: the doctor saw nothing"
            for name, part in found.items():
                assert lies_within(part, whole[name]), f"{what}: {name} says what was never written"
            lost = sum(len(whole[name]) for name in whole) - sum(len(part) for part in found.values())
            assert lost < sum(map(len, whole.values())) / 2 or "cut" in what or "state.db" in what
        told += bool(said)
        shutil.rmtree(folder)
    assert told > times / 3


async def test_forty_places_are_harmed_and_each_is_noticed(kept: Path, tmp_path: Path, store_at: Any) -> None:
    await noticed_everywhere(kept, tmp_path, store_at, 40)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_five_hundred_places_are_harmed_and_each_is_noticed(kept: Path, tmp_path: Path, store_at: Any) -> None:
    await noticed_everywhere(kept, tmp_path, store_at, 500)


async def test_a_damaged_segment_is_found_by_looking_and_is_merged_with_nothing(kept: Path, store_at: Any) -> None:
    async with store_at(kept, clock=Still(3 * DAY)) as store:
        (first, second) = [one for one in store.segments.known if one.kind == "points"]
        path = store.segments.path(first)
        data = bytearray(path.read_bytes())
        data[len(data) // 3] ^= 4
        path.write_bytes(data)
        assert await store.segments.scrub() == 1
        assert [one for one in store.segments.known if one.kind == "points"] == [second]
        assert store.segments.counts.damaged == first.rows
        assert await store.segments.scrub() == 0


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def doctor(folder: Path, *words: str) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "doctor", "--path", str(folder), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


async def test_the_doctor_says_what_is_lost(kept: Path, store_at: Any) -> None:
    async with store_at(kept, clock=Still(3 * DAY)) as store:
        await store.blobs.put("a", b"blob")
        await store.blobs.put("b", b"bulb")
        before = names(kept)
        code, said = await asyncio.to_thread(doctor, kept)  # while it runs
        assert (code, said.splitlines()[-1].endswith("nothing is lost")) == (0, True)
        assert names(kept) == before
        lost = next(one for one in store.segments.known if one.kind == "points")
    harm(kept / "segments" / lost.name, random.Random(2))
    next(one for one in files(kept / "blobs") if one.read_bytes() == b"blob").write_bytes(b"glob")
    next(one for one in files(kept / "blobs") if one.read_bytes() == b"bulb").unlink()
    with sqlite3.connect(kept / "state.db") as db:
        db.execute("UPDATE twins SET body = x'00' WHERE device = 'default/d-3'")
    db.close()
    before = names(kept)
    code, said = await asyncio.to_thread(doctor, kept, "-o", "json")
    report = json.loads(said)
    assert (code, report["sound"]) == (1, False)
    assert sorted((f["file"].partition("/")[0], f["rows"]) for f in report["findings"]) == [
        ("blobs", 1),
        ("blobs", 1),
        ("segments", lost.rows),
        ("state.db", 1),
    ]
    assert next(f["what"] for f in report["findings"] if f["file"] == "blobs/b") == "is gone"
    assert names(kept) == before
    assert (await asyncio.to_thread(doctor, kept / "none"))[0] == 1
