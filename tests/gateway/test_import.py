"""Histories of other systems come into a running gateway, and a second time change nothing."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.process import ROOT, Gateway, environment, gemelo, until

HOURS = "SELECT epoch_us(time), device, property, value, text FROM points WHERE namespace = '{}' ORDER BY 1, 2, 3"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("gateway")) as gateway:
        gateway.start()
        yield gateway
        assert gateway.is_calm()


def bring(gateway: Gateway, *words: str | Path) -> str:
    done = gemelo("import", *map(str, words), "--url", gateway.url)
    assert done.returncode == 0, done.stderr
    return done.stdout


def points(gateway: Gateway, namespace: str) -> list[list[object]]:
    return gateway.rows(HOURS.format(namespace))


def test_a_wide_csv_is_brought_once_however_often_it_is_imported(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "log.csv.gz"
    text = "time,device,temperature,door\n2026-01-02 10:00:00,Press 1,21.5,open\n2026-01-02 10:00:01.5,Press 1,,true\n"
    file.write_bytes(gzip.compress(text.encode()))
    words = (file, "--namespace", "wide", "--zone", "Europe/Madrid")
    assert bring(gateway, *words) == "3 points of 2 rows kept\n"
    at = 1767344400000000
    expected = [
        [at, "press-1", "door", None, "open"],
        [at, "press-1", "temperature", 21.5, None],
        [at + 1_500_000, "press-1", "door", 1.0, None],
    ]
    assert points(gateway, "wide") == expected
    bring(gateway, *words)
    assert points(gateway, "wide") == expected


def test_what_sql_gives_as_csv_comes_back_the_same(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text("time,device,property,value,text\n1000000,a,x,1.5,\n2000000,a,x,,closed\n", "utf-8")
    bring(gateway, file, "--namespace", "own", "--unit", "us")
    assert points(gateway, "own") == [[1000000, "a", "x", 1.5, None], [2000000, "a", "x", None, "closed"]]


def test_parquet_keeps_its_times_and_types(gateway: Gateway, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    at = 1_700_000_000_123_456
    columns = {
        "ts": pa.array([at, at + 1], pa.timestamp("us", tz="UTC")),
        "sensor": ["a", "b"],
        "metric": ["flow", "note"],
        "value": pa.array(["2.5", "ok"]),
    }
    pq.write_table(pa.table(columns), tmp_path / "old.parquet")
    bring(gateway, tmp_path / "old.parquet", "--namespace", "parquet")
    assert points(gateway, "parquet") == [[at, "a", "flow", 2.5, None], [at + 1, "b", "note", None, "ok"]]


def test_line_protocol_names_devices_by_tags(gateway: Gateway, tmp_path: Path) -> None:
    lines = [
        "cpu,host=press-1,cpu=cpu0 idle=93.1,n=3i 1700000000000000000",
        'weather,station=roof said="a\nb",temp=21.5 1700000000000001000',
    ]
    file = tmp_path / "old.lp"
    file.write_text("\n".join(lines), "utf-8")
    bring(gateway, file, "--namespace", "lines")
    at = 1_700_000_000_000_000
    assert points(gateway, "lines") == [
        [at, "press-1", "cpu.cpu0.idle", 93.1, None],
        [at, "press-1", "cpu.cpu0.n", 3.0, None],
        [at + 1, "weather-roof", "said", None, "a\nb"],
        [at + 1, "weather-roof", "temp", 21.5, None],
    ]


def test_a_bad_row_ends_the_import_with_its_place_or_is_left_out_and_counted(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("time,x\n1,1\nyesterday,2\n3,3,3\n4,4\n", "utf-8")
    words = ("import", str(file), "--device", "d", "--namespace", "bad", "--unit", "s", "--url", gateway.url)
    ended = gemelo(*words)
    assert ended.returncode == 1
    assert "bad.csv, line 3: 'yesterday' is no time" in ended.stderr
    skipped = gemelo(*words, "--skip-bad")
    assert skipped.returncode == 1
    assert skipped.stdout == "2 points of 4 rows kept, 2 rows left out\n"
    assert "line 4: the line has not 2 cells" in skipped.stderr
    assert [row[3] for row in points(gateway, "bad")] == [1.0, 4.0]


def test_a_dry_run_shows_and_keeps_nothing(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "dry.csv"
    file.write_text("time,x\n0,1\n", "utf-8")
    done = gemelo("import", str(file), "--device", "dry/d", "--unit", "ms", "--dry-run")
    assert done.stdout == "1970-01-01 00:00:00.000000Z  dry/d  x = 1\n1 points of 1 rows would be kept\n"
    assert done.stderr == f"{file}: time time, device dry/d, x\n"
    assert points(gateway, "dry") == []


@pytest.mark.parametrize(
    ("text", "words", "reason"),
    [
        ("a,b\n1,2\n", (), "no column is the time: name it by --time; there are a, b"),
        ("time,b\n1,2\n", (), "no column is the device"),
        ("time,b\n1,2\n", ("--device", "d"), "say of what by --unit"),
        ("time,b\n1,2\n", ("--device", "d", "--columns", "c"), "there is no column c; there are time, b"),
        ("time\n1\n", ("--device", "d"), "no column is left"),
        ("", ("--device", "d"), "it is empty"),
        ("time,x\n9e30,2\n", ("--device", "d", "--unit", "s"), "no time in s within the years 1 to 9999"),
        ("time,device,x\n1,???,2\n", ("--unit", "s"), "'???' names no device"),
    ],
)
def test_what_a_file_lacks_is_told_with_the_way_out(tmp_path: Path, text: str, words: tuple[str, ...], reason: str):
    file = tmp_path / "file.csv"
    file.write_text(text, "utf-8")
    done = gemelo("import", str(file), *words, "--dry-run")
    assert done.returncode == 1
    assert reason in done.stderr


def write(gateway: Gateway, lines: str, query: str = "", path: str = "/api/v2/write") -> tuple[int, bytes]:
    request = urllib.request.Request(f"{gateway.url}{path}?{query}", lines.encode(), {"Content-Type": "text/plain"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_telegraf_writes_as_to_influxdb(gateway: Gateway) -> None:
    assert write(gateway, "mem,host=h1 used=12i 1700000000\n", "bucket=b&org=o&precision=s&namespace=telegraf") == (
        204,
        b"",
    )
    assert (
        write(gateway, "mem,host=h1 used=13i 1700000001000\n", "db=b&precision=ms&namespace=telegraf", "/write")[0]
        == 204
    )
    until(lambda: len(points(gateway, "telegraf")) == 2)
    assert [row[3] for row in points(gateway, "telegraf")] == [12.0, 13.0]
    status, body = write(gateway, "mem,host=h1 used=12i\nmem used=\n")
    assert status == 400
    assert json.loads(body)["code"] == "invalid"
    assert "line 2" in json.loads(body)["message"]
    assert write(gateway, "m f=1", "precision=days")[0] == 400


@pytest.mark.parametrize(
    "point",
    [
        ["pump", "x", 1, 1.0],
        ["a/b", "", 1, 1.0],
        ["a/b", "x", 10**18, 1.0],
        ["a/b", "x", 1, None],
        ["a/b", "x", 1, "x" * 9000],
        ["a/b", "x", 1, 10**400],
        ["a/b", "x", 1.5, 1],
        [],
    ],
)
def test_a_bad_point_refuses_its_call_and_keeps_nothing(gateway: Gateway, point: list[object]) -> None:
    body = {"points": [["bad/good", "x", 1, 1.0], point]}
    status, said = gateway.ask("POST", "/api/v1/points", body)
    assert status == 400
    assert "points[1]" in str(said)
    assert gateway.rows("SELECT count(*) FROM points WHERE device = 'good'") == [[0]]


def test_telegraf_may_pack_what_it_writes(gateway: Gateway) -> None:
    lines = gzip.compress(b"mem,host=h2 used=12i 1700000000000000000\n")
    headers = {"Content-Type": "text/plain", "Content-Encoding": "gzip"}
    address = f"{gateway.url}/api/v2/write?namespace=packed"
    with urllib.request.urlopen(urllib.request.Request(address, lines, headers), timeout=10) as answer:
        assert answer.status == 204
    assert [row[3] for row in points(gateway, "packed")] == [12.0]
    bomb = gzip.compress(b"#" * (16 << 20))
    for body, status in ((bomb, 413), (lines[:-4], 413), (b"no gzip", 400)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(address, body, headers), timeout=10)
        with refused.value:
            assert refused.value.code == status


def test_files_that_are_put_into_a_folder_are_brought_and_a_bad_one_holds_up_none(
    gateway: Gateway, tmp_path: Path
) -> None:
    words = ("--watch", "--format", "json", "--namespace", "box", "--url", gateway.url)
    command = [sys.executable, "-m", "gateway", "import", str(tmp_path), *words]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, env=environment()) as watching:
        (tmp_path / "part-1").write_text('{"time":"2026-01-01T00:00:00Z","device":"a","mean":1.5}\n', "utf-8")
        until(lambda: len(points(gateway, "box")) == 1)
        (tmp_path / "part-2").write_text("no json\n", "utf-8")
        (tmp_path / ".part-3").write_text('{"time":"2026-01-01T00:00:02Z","device":"a","mean":2.5}\n', "utf-8")
        (tmp_path / "part-4").write_text('{"time":"2026-01-01T00:00:03Z","device":"a","mean":3.5}\n', "utf-8")
        until(lambda: len(points(gateway, "box")) == 2)
        (tmp_path / ".part-3").rename(tmp_path / "part-3")
        until(lambda: [row[3] for row in points(gateway, "box")] == [1.5, 2.5, 3.5])
        watching.terminate()
        assert b"part-2, line 1: no JSON object" in watching.communicate()[1]
