"""Other engines that take the same batches of points: each is on disk before the next is given."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from benches.figures import percentile
from twins.exchange import Point


class Beside(Struct, frozen=True):
    """Seconds of processor time, bytes on disk, and the 99th percentile of a batch's wait in seconds."""

    spent: float
    size: int
    late: float


def _sqlite(folder: Path, batches: list[list[Point]]) -> Beside:
    """A table without row ids, as a person would who knows SQLite well."""
    db = sqlite3.connect(folder / "plain.db", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        db.execute(f"PRAGMA {pragma}")
    db.execute("CREATE TABLE p (s INT, at INT, seq INT, v REAL, text TEXT, PRIMARY KEY (s, at, seq)) WITHOUT ROWID")
    ids: dict[str, int] = {}
    spent, waits = 0.0, []
    for points in batches:
        before, began = time.process_time(), time.perf_counter()
        batch = [(ids.setdefault(p.series, len(ids)), p.at, p.seq, p.number, p.text) for p in points]
        db.execute("BEGIN")
        db.executemany("INSERT OR IGNORE INTO p VALUES (?, ?, ?, ?, ?)", batch)
        db.execute("COMMIT")
        spent += time.process_time() - before
        waits.append(time.perf_counter() - began)
    db.close()
    return Beside(spent, (folder / "plain.db").stat().st_size, percentile(sorted(waits), 0.99))


def _duckdb(folder: Path, batches: list[list[Point]]) -> Beside:
    """A table that Arrow's are inserted into, the fastest way there is."""
    import duckdb
    import pyarrow as pa

    db = duckdb.connect(str(folder / "plain.duckdb"), config={"threads": 1})
    db.execute("CREATE TABLE p (s VARCHAR, moment BIGINT, seq BIGINT, v DOUBLE, text VARCHAR)")
    spent, waits = 0.0, []
    for points in batches:
        before, began = time.process_time(), time.perf_counter()
        names = ("s", "moment", "seq", "v", "text")
        columns = zip(*((p.series, p.at, p.seq, p.number, p.text) for p in points), strict=True)
        db.register("batch", pa.table(dict(zip(names, map(list, columns), strict=True))))
        db.execute("INSERT INTO p SELECT * FROM batch")
        spent += time.process_time() - before
        waits.append(time.perf_counter() - began)
    db.close()
    return Beside(spent, (folder / "plain.duckdb").stat().st_size, percentile(sorted(waits), 0.99))


def _influxdb(folder: Path, batches: list[list[Point]]) -> Beside | None:
    """Debian's server in a process of its own, whose processor time is told; its log is synced with each batch.

    `None` where it is not installed.
    """
    server = shutil.which("influxd")
    if server is None:
        return None
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        http, backup = (f"127.0.0.1:{each.getsockname()[1]}" for each in (first, second))
    config = folder / "influxdb.conf"
    config.write_text(_INFLUXDB.format(folder=folder, http=http, backup=backup), "utf-8")
    own = os.environ | {"GOMAXPROCS": "2"}
    with subprocess.Popen([server, "-config", config], env=own, stdout=-3, stderr=-3) as process:
        try:
            _until(lambda: _answers(f"http://{http}/ping"))
            _post(f"http://{http}/query?q=CREATE%20DATABASE%20b", b"")
            texts = [_lines(points) for points in batches]  # made beforehand: what is told is the server's time alone
            waits = []
            for text in texts:
                began = time.perf_counter()
                _post(f"http://{http}/write?db=b&precision=u", text)
                waits.append(time.perf_counter() - began)
            wal = folder / "wal"
            _until(lambda: sum(file.stat().st_size for file in wal.rglob("*.wal")) < 1000)  # it is all compacted
            spent = _processor_time(process.pid)
        finally:
            process.terminate()
    size = sum(file.stat().st_blocks * 512 for file in (folder / "data" / "b").rglob("*") if file.is_file())
    return Beside(spent, size, percentile(sorted(waits), 0.99))


_INFLUXDB = """
reporting-disabled = true
bind-address = "{backup}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  index-version = "tsi1"
  cache-snapshot-write-cold-duration = "2s"
  compact-full-write-cold-duration = "3s"
[monitor]
  store-enabled = false
[http]
  bind-address = "{http}"
  log-enabled = false
[logging]
  level = "error"
"""


def _lines(points: list[Point]) -> bytes:
    """One line a point: a measurement of each property, as its loaders have it."""
    split = ((p.series.rpartition("/"), p) for p in points)
    return "\n".join(f"{name},device={device} value={p.number} {p.at}" for (device, _, name), p in split).encode()


def _post(url: str, body: bytes) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, data=body, method="POST"), timeout=60) as answer:
        answer.read()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:
        return False


def _until(condition: Callable[[], bool]) -> None:
    """Return when it holds. Raises `TimeoutError` after a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("InfluxDB is not ready after a minute")
        time.sleep(0.1)


def _processor_time(pid: int) -> float:
    """User's and system's, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


BESIDE: dict[str, Callable[[Path, list[list[Point]]], Beside | None]] = {
    "SQLite": _sqlite,
    "DuckDB": _duckdb,
    "InfluxDB": _influxdb,
}
"""By name; one that is not installed gives `None`."""
