"""Uploads into a folder: what goes, what never does, and that each row goes once."""

from __future__ import annotations

import io
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from store.uploads import pictures
from store.uploads.envelope import key_id, opened
from tests.clock import SleepingClock
from tests.store.lab import DAY, NOON, Files, hive, lab, points, rows, until, upload
from twins.errors import Rejected
from twins.exchange import Batch, Box, Detection, Event, Point, Result

ROOT = Path(__file__).parents[2]
S = 1_000_000


def to(folder: Path) -> dict[str, str]:
    return {"url": f"file://{folder}"}


async def test_what_is_asked_for_lies_as_duckdb_reads_it(tmp_path: Path, store_at: Any) -> None:
    away = tmp_path / "away"
    given = [*points(*range(100)), *points(5, 6, device="t-2"), *points(DAY, DAY + 1)]
    async with lab(store_at, tmp_path / "box", upload(destination=to(away))) as box:
        await box.put(*given)
        await box.ask()
        await box.sent()
        view = box.view()
    assert hive(away) == rows(given)
    assert (view.rows, view.state) == (len(given), "idle")
    days = {path.relative_to(away).parts[:3] for path in away.glob("**/*.parquet")}
    assert days == {("points", "node=edge-1", "day=2024-10-04"), ("points", "node=edge-1", "day=2024-10-05")}
    kinds = hive(away, columns="DISTINCT node, typeof(day), typeof(time)")
    assert kinds == [("edge-1", "DATE", "TIMESTAMP WITH TIME ZONE")]


async def test_lines_of_json_are_in_the_order_of_time(tmp_path: Path, store_at: Any) -> None:
    away = tmp_path / "away"
    async with lab(store_at, tmp_path / "box", upload(destination=to(away), format="jsonl")) as box:
        await box.put(*points(0, 2 * S, device="a"), *points(S, 3 * S, device="b"))
        await box.put(Point("default/a/state", NOON + 250_000, 7, None, "on"))
        await box.ask()
        await box.sent()
    (path,) = away.glob("points/node=edge-1/day=2024-10-04/*.jsonl")
    lines = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    assert [(line["time"], line["device"], line["property"], line["value"], line["text"]) for line in lines] == [
        ("2024-10-04T12:00:00.000000Z", "a", "temperature", 0.0, None),
        ("2024-10-04T12:00:00.250000Z", "a", "state", None, "on"),
        ("2024-10-04T12:00:01.000000Z", "b", "temperature", 1e5, None),
        ("2024-10-04T12:00:02.000000Z", "a", "temperature", 2e5, None),
        ("2024-10-04T12:00:03.000000Z", "b", "temperature", 3e5, None),
    ]
    assert {line["node"] for line in lines} == {"edge-1"}


async def test_spans_that_overlap_send_each_row_once(tmp_path: Path, store_at: Any) -> None:
    away = tmp_path / "away"
    async with lab(store_at, tmp_path / "box", upload(destination=to(away))) as box:
        await box.put(*points(*range(100)))
        for span in ((NOON + 10, NOON + 29), (NOON + 20, NOON + 49), (NOON + 10, NOON + 29)):
            await box.ask(span=span)
            await box.sent()
        assert hive(away) == rows(points(*range(10, 50)))
        await box.put(*points(1000, 15, 16, device="late"))
        await box.ask()
        await box.sent()
    assert hive(away) == rows([*points(*range(100)), *points(1000, 15, 16, device="late")])


async def test_a_restart_knows_what_went(tmp_path: Path, store_at: Any) -> None:
    away = tmp_path / "away"
    for round_ in range(3):
        async with lab(store_at, tmp_path / "box", upload(destination=to(away))) as box:
            await box.put(*points(*range(round_ * 10, round_ * 10 + 10)))
            await box.ask()
            await box.sent()
            assert box.view().rows == round_ * 10 + 10
    assert hive(away) == rows(points(*range(30)))
    assert len(list(away.glob("**/*.parquet"))) == 3


async def test_what_must_never_go_stays_whoever_asks(tmp_path: Path, store_at: Any) -> None:
    away = tmp_path / "away"
    block = upload("private", select={"series": ["default/bed/*"], "namespaces": ["secret"]}, policy={"never": {}})
    async with lab(store_at, tmp_path / "box", upload(destination=to(away)), block) as box:
        await box.put(*points(1, 2), *points(1, 2, device="bed"))
        await box.ask()
        await box.sent()
        assert hive(away) == rows(points(1, 2))
        told = [message for kind, _, message in box.told if kind == "security"]
        assert any("default/bed/temperature" in message and "default/private" in message for message in told)
        assert box.view().blocked == 2
        with pytest.raises(Rejected, match="never"):
            await box.uploads.start("default/private", (0, 1 << 60), "api")
        only = upload("bed", select={"series": ["default/bed/temperature"]}, destination=to(away))
        box.apply(only)
        before = len(box.told)
        with pytest.raises(Rejected, match="default/private"):
            await box.uploads.start("default/bed", (0, 1 << 60), "api")
        assert box.told[before:] == [
            ("security", "default/bed", "api asked for default/bed/temperature: default/private keeps it here")
        ]
    assert hive(away) == rows(points(1, 2))


async def test_segments_that_were_merged_are_not_sent_again(tmp_path: Path, store_at: Any) -> None:
    away = tmp_path / "away"
    async with lab(store_at, tmp_path / "box", upload(destination=to(away))) as box:
        for part in range(4):
            await box.put(*points(*range(part, 400, 4)), *points(part, device=f"d-{part}"))
            if part < 2:
                await box.ask()
                await box.sent()
            else:
                await box.store.segments.seal()
        await box.put(*points(DAY))
        await box.store.segments.seal()
        before = box.store.segments.known
        await box.store.segments.merge()
        assert len(box.store.segments.known) < len(before)
        await box.ask()
        await box.sent()
    wanted = [*points(*range(400), DAY), *(each for part in range(4) for each in points(part, device=f"d-{part}"))]
    assert hive(away) == rows(wanted)
    assert not list((tmp_path / "box" / "uploads" / "rests").iterdir())


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_is_sealed_merged_asked_and_restarted_each_row_goes_once(
    tmp_path: Path, store_at: Any, seed: int
) -> None:
    chance = random.Random(seed)
    away, files, clock = tmp_path / "away", Files(tmp_path / "files"), SleepingClock((NOON + DAY) / 1e6)
    given: list[Point] = []
    for _ in range(4):
        async with lab(store_at, tmp_path / "box", upload(destination=to(away)), clock=clock, files=files) as box:
            for _ in range(8):
                new = points(*{chance.randrange(2000) for _ in range(40)}, device=f"d-{len(given)}")
                given += new
                files.add(*new)
                if chance.random() < 0.6:
                    await files.seal()
                if len(files.known) > 1 and chance.random() < 0.6:
                    files.merge(*chance.sample(files.known, chance.randint(2, min(4, len(files.known)))))
                if chance.random() < 0.5:
                    lower, upper = sorted((chance.randrange(2000), chance.randrange(2000)))
                    await box.ask(span=(NOON + lower, NOON + upper))
                    if chance.random() < 0.7:
                        await box.sent()
            await box.sent()
    got = hive(away)
    assert len(got) == len(set(got))
    async with lab(store_at, tmp_path / "box", upload(destination=to(away)), clock=clock, files=files) as box:
        await box.ask()
        await box.sent()
    assert hive(away) == rows(given)
    held = {path.name for path in (tmp_path / "box/uploads/held").iterdir()}
    assert held <= {segment.name for segment in files.known}


async def test_what_was_begun_is_finished_though_its_segment_was_merged(tmp_path: Path, store_at: Any) -> None:
    """The destination is no folder at first, so the first object is begun and never there."""
    away, files, clock = tmp_path / "away", Files(tmp_path / "files"), SleepingClock((NOON + DAY) / 1e6)
    (tmp_path / "away").mkdir()
    (tmp_path / "away/points").write_text("in the way")
    async with lab(store_at, tmp_path / "box", upload(destination=to(away)), clock=clock, files=files) as box:
        for part in range(3):
            files.add(*points(*range(part, 300, 3)))
            await files.seal()
        await box.ask()
        await until(lambda: box.view().failures >= 2)
        files.merge(*files.known)
        await until(lambda: box.view().failures >= 4)
        assert box.view().pending_rows > 0
        (away / "points").unlink()
        await box.sent()
        assert box.view().rows == 300
    assert hive(away) == rows(points(*range(300)))


async def test_a_schedule_sends_by_the_clock_and_within_its_hours(tmp_path: Path, store_at: Any) -> None:
    away, files, clock = tmp_path / "away", Files(tmp_path / "files"), SleepingClock(NOON / 1e6)
    policy = {"scheduled": {"cron": "0 * * * *", "window": {"from": "14:30", "to": "15:30"}}}
    files.add(*points(1, 2, 3))
    async with lab(
        store_at, tmp_path / "box", upload(destination=to(away), policy=policy), clock=clock, files=files
    ) as box:
        await until(lambda: box.view().state == "waiting")
        assert clock.now() >= NOON + 3600 * 1_000_000
        assert box.view().lag > 0
        await until(lambda: box.view().rows == 3)
        assert clock.now() >= NOON + 5 * 1800 * 1_000_000
        files.add(*points(4))
        await files.seal()
        await until(lambda: box.view().rows == 4)
    assert hive(away) == rows(points(1, 2, 3, 4))


async def test_what_is_around_an_event_goes_and_nothing_else(tmp_path: Path, store_at: Any) -> None:
    away, clock = tmp_path / "away", SleepingClock((NOON + 100 * S) / 1e6)
    policy = {
        "onEvent": {"kinds": ["alert"], "objects": ["default/pump-*"], "severity": "alert", "before": 10, "after": "5s"}
    }
    async with lab(store_at, tmp_path / "box", upload(destination=to(away), policy=policy), clock=clock) as box:
        await box.put(*points(*(n * S for n in range(60))))
        await until(lambda: box.view().state == "idle")

        async def happen(
            at: int, kind: str = "alert", subject: str = "default/pump-1", severity: Any = "alert"
        ) -> None:
            event = Event(f"{at}-{kind}-{subject}-{severity}", NOON + at * S, kind, subject, severity, "hot", "c")
            await box.store.journal.committed(box.store.journal.append(Batch(events=[event])))

        await happen(30)
        await happen(33)
        await happen(50, kind="upload")
        await happen(50, subject="default/fan")
        await happen(50, severity="warning")
        await until(lambda: box.view().rows == 19)
        await box.sent()
    assert hive(away) == rows(points(*(n * S for n in range(20, 39))))
    async with lab(store_at, tmp_path / "box", upload(destination=to(away), policy=policy), clock=clock) as box:
        await until(lambda: box.view().rows == 19)
        await box.ask(span=(NOON, NOON))
        await box.sent()
    assert len(hive(away)) == 20


async def test_results_and_pictures_go_and_those_of_a_blocked_camera_never(tmp_path: Path, store_at: Any) -> None:
    away = tmp_path / "away"
    block = upload("private", select={"cameras": ["default/bed"]}, policy={"never": {}})
    kinds = {"series": ["*"], "kinds": ["results", "pictures"]}
    async with lab(store_at, tmp_path / "box", upload(destination=to(away), select=kinds), block) as box:
        seen = [Detection("person", 0.9, Box(0.1, 0.2, 0.3, 0.4)), Detection("dog", 0.5)]
        results = [
            Result(f"default/{camera}", "m", "1", n, NOON + n, tuple(seen))
            for camera in ("door", "bed")
            for n in (1, 2)
        ]
        events = [
            Event(
                camera,
                NOON,
                "alert",
                f"default/{camera}",
                "alert",
                "seen",
                f"camera:1:{n}",
                {"picture": f"default/{camera}"},
            )
            for n, camera in enumerate(("door", "bed"))
        ]
        await box.store.journal.committed(box.store.journal.append(Batch(results=results, events=events)))
        for n in range(3):
            await box.store.blobs.put(f"camera-1-{n}", b"\xff\xd8\xff" + bytes([n]) * 10)
        await box.put(*points(1))
        await box.ask()
        await box.sent()
        told = {message.partition(":")[0] for kind, _, message in box.told if kind == "security"}
        assert told == {"default/bed", "picture"}
    assert not (away / "points").exists()
    columns = "device, label, score, x, input"
    assert hive(away, "results", columns) == sorted(
        [("door", "person", 0.9, 0.1, n) for n in (1, 2)] + [("door", "dog", 0.5, None, n) for n in (1, 2)]
    )
    (picture,) = away.glob("pictures/node=edge-1/day=*/*.jpg")
    assert picture.name.startswith("camera-1-0-")
    assert picture.read_bytes() == b"\xff\xd8\xff" + bytes(10)


async def test_a_block_that_comes_while_bytes_go_holds_for_the_rest(tmp_path: Path, store_at: Any) -> None:
    away, files = tmp_path / "away", Files(tmp_path / "files")
    slow = upload(destination=to(away), bytesPerSecond=1024)
    async with lab(store_at, tmp_path / "box", slow, files=files) as box:
        files.add(*points(*range(5000)), *points(*range(5000), device="bed"))
        await box.ask()
        await until(lambda: box.view().state == "running")
        box.apply(upload("private", select={"cameras": ["default/bed"]}, policy={"never": {}}))
        box.apply(upload(destination=to(away)))
        await box.sent()
    assert hive(away) == rows(points(*range(5000)))


async def test_days_on_a_clock_go_when_they_are_over_and_once(tmp_path: Path, store_at: Any) -> None:
    away, files, clock = tmp_path / "away", Files(tmp_path / "files"), SleepingClock(NOON / 1e6)
    every = upload(
        destination=to(away), policy={"scheduled": {"cron": "*/30 * * * *"}}, align={"every": "1h", "method": "mean"}
    )
    hour = 3600 * S
    async with lab(store_at, tmp_path / "box", every, clock=clock, files=files) as box:
        for part in range(3):
            files.add(*points(*(n * hour // 2 + part for n in range(20))), *points(part, hour, device="b"))
            await files.seal()
        await until(lambda: clock.now() > NOON + 12.6 * hour)
        assert hive(away) == []
        await until(lambda: box.view().rows)
        assert clock.now() >= NOON + 13 * hour
        files.merge(*files.known)
        files.add(*points(5, device="late"))
        await until(lambda: clock.now() > NOON + 20 * hour)
    found = hive(away)
    assert len(found) == 12
    assert found[0] == ("b", "temperature", NOON, pytest.approx(0.1))
    ours = [value for device, _, at, value in found if device == "t-1" and at == NOON + hour]
    assert ours == [pytest.approx(sum(n * hour // 2 + part for n in (2, 3) for part in range(3)) / 60)]


async def test_rows_that_retention_took_before_they_went_are_told(tmp_path: Path, store_at: Any) -> None:
    files, clock = Files(tmp_path / "files"), SleepingClock(NOON / 1e6)
    policy = {"scheduled": {"cron": "0 0 1 1 *"}}
    async with lab(
        store_at, tmp_path / "box", upload(destination=to(tmp_path / "away"), policy=policy), clock=clock, files=files
    ) as box:
        for part in range(3):
            files.add(*points(*range(part * 10, part * 10 + 10)))
            await files.seal()
        await until(lambda: box.view().pending_rows == 30)
        files.remove(files.known[0])
        await until(lambda: box.view().missed == 10)
        files.merge(*files.known)
        await until(lambda: box.view().pending_rows == 20 and len(box.uploads.views()) == 1)
    assert [message for kind, _, message in box.told if "removed here" in message] == [
        "10 rows were removed here before they went: the other side was away for too long"
    ]


async def test_two_uploads_never_share_a_place(tmp_path: Path, store_at: Any) -> None:
    away = tmp_path / "away"
    first, second = upload("a", destination=to(away)), upload("b", destination={"url": f"file://{away}/"})
    async with lab(store_at, tmp_path / "box", first, second) as box:
        await box.put(*points(1))
        with pytest.raises(Rejected, match="default/a has the same destination"):
            await box.ask("default/b")
        assert box.view("default/b").state == "off"
        box.uploads.apply("default/a", None)
        await box.ask("default/b")
        await box.sent("default/b")
    assert hive(away) == rows(points(1))


async def test_a_damaged_segment_is_told_and_the_others_go(tmp_path: Path, store_at: Any) -> None:
    away, files = tmp_path / "away", Files(tmp_path / "files")
    async with lab(store_at, tmp_path / "box", upload(destination=to(away)), files=files) as box:
        for part in range(3):
            files.add(*points(*range(part * 10, part * 10 + 10)))
            await files.seal()
        path = files.path(files.known[1])
        path.write_bytes(b"PAR1" + bytes(400))
        await box.ask()
        await box.sent()
    assert hive(away) == rows(points(*range(10), *range(20, 30)))
    assert any("cannot be read" in message for _, _, message in box.told)


async def test_fewer_points_of_each_series_go_where_it_is_asked(tmp_path: Path, store_at: Any) -> None:
    away = tmp_path / "away"
    async with lab(store_at, tmp_path / "box", upload(destination=to(away), sampling={"everyN": 10})) as box:
        await box.put(*points(*range(100)), *points(*range(15), device="z"))
        await box.ask()
        await box.sent()
    assert hive(away) == rows([*points(*range(0, 100, 10)), *points(0, 10, device="z")])


async def test_an_upload_that_is_deleted_begins_anew(tmp_path: Path, store_at: Any) -> None:
    away, other = tmp_path / "away", tmp_path / "other"
    async with lab(store_at, tmp_path / "box", upload(destination=to(away))) as box:
        await box.put(*points(1))
        await box.ask()
        await box.sent()
        box.uploads.apply("default/all", None)
        await until(lambda: not box.uploads.views())
        box.apply(upload(destination=to(other)))
        await box.ask()
        await box.sent()
        await until(lambda: box.view().rows == 1)
    assert hive(away) == hive(other) == rows(points(1))


async def test_a_key_that_cannot_be_used_is_told_and_nothing_goes_in_plain(tmp_path: Path, store_at: Any) -> None:
    away, key = tmp_path / "away", tmp_path / "key"
    key.write_text("00" * 32, "ascii")
    key.chmod(0o644)
    closed = upload(destination=to(away), encryption={"keyFile": str(key)})
    async with lab(store_at, tmp_path / "box", closed) as box:
        await box.put(*points(*range(100)))
        await box.ask()
        await until(lambda: box.view().state == "failing")
        assert "chmod 600" in box.view().reason
        assert list(away.glob("**/*.*")) == []
        key.chmod(0o600)
        await box.sent()
    (path,) = away.glob("**/*.parquet.enc")
    with path.open("rb") as file:
        header, plain = opened(file, {key_id(bytes(32)): bytes(32)})
        table = pq.read_table(io.BytesIO(b"".join(plain)))
    assert path.is_relative_to(away)
    assert str(path.relative_to(away)) == header.object
    assert table.num_rows == 100


_SMALL = """
import asyncio, random, subprocess, sys
from pathlib import Path
from tests.store.conftest import running_store
from tests.store.lab import NOON, hive, lab, until, upload
from twins.exchange import Point

def disk(path, size):
    again = "remount," if path.is_mount() else ""
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"{again}size={size}", "tmpfs", path], check=True)

async def main(folder):
    spool, away = folder / "box" / "uploads" / "spool", folder / "away"
    disk(spool, "256k")
    disk(away, "256k")
    noise = random.Random(1)
    given = [Point("default/t-1/noise", NOON + n, n, None, noise.randbytes(500).hex()) for n in range(2000)]
    async with lab(running_store, folder / "box", upload(destination={"url": f"file://{away}"})) as box:
        await box.put(*given)
        await box.ask()
        await until(lambda: box.view().failures == 2)
        print("here:", box.view().reason)
        disk(spool, "50m")
        await until(lambda: "away" in box.view().reason)
        print("there:", box.view().reason)
        disk(away, "50m")
        await box.sent()
        print("told:", [message for kind, _, message in box.told if kind == "upload"])
    print(hive(away, columns="seq, text") == [(point.seq, point.text) for point in given])

asyncio.run(main(Path(sys.argv[1])))
"""


def test_full_disks_on_either_side_are_told_and_nothing_is_lost(tmp_path: Path) -> None:
    """Real ones: small, in a namespace of mounts of their own."""
    if subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no namespaces of mounts for this user")
    command = ["unshare", "-rm", sys.executable, "-c", _SMALL, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, check=False, timeout=50, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    here, there, told, same = done.stdout.splitlines()
    assert "No space left on device" in here
    assert "No space left on device" in there
    assert same == "True"
    assert told.count("sending fails") == 1
    assert told.count("sending again") == 1


async def test_what_is_to_go_is_looked_for_once_for_many_pictures(
    tmp_path: Path, store_at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = tmp_path / "away"
    looks: list[int] = []
    found = pictures.found

    def looking(*arguments: Any) -> Any:
        looks.append(1)
        return found(*arguments)

    monkeypatch.setattr(pictures, "found", looking)
    wanted = upload(destination=to(away), select={"series": ["*"], "kinds": ["pictures"]})
    async with lab(store_at, tmp_path / "box", wanted) as box:
        told = [
            Event(str(n), NOON, "alert", "default/door", "alert", "seen", f"camera:1:{n}", {"picture": "default/door"})
            for n in range(20)
        ]
        await box.store.journal.committed(box.store.journal.append(Batch(events=told)))
        for n in range(20):
            await box.store.blobs.put(f"camera-1-{n}", b"\xff\xd8\xff" + bytes([n]))
        await box.ask()
        await box.sent()
    assert len(list(away.glob("pictures/**/*.jpg"))) == 20
    assert len(looks) <= 3


async def test_nothing_goes_while_a_manifest_cannot_be_read_that_may_say_never(tmp_path: Path, store_at: Any) -> None:
    away = tmp_path / "away"
    unread = {"default/private"}
    async with lab(store_at, tmp_path / "box", unread=lambda: unread) as box:
        box.apply(upload(destination=to(away)))
        await box.put(*points(1), *points(2, device="bed"))
        with pytest.raises(Rejected, match="default/private can't be read any more"):
            await box.ask()
        assert box.view().state == "off"
        unread.clear()
        box.apply(upload("private", select={"cameras": ["default/bed"]}, policy={"never": {}}))
        await box.ask()
        await box.sent()
    assert hive(away) == rows(points(1))
