"""What a query over three nodes moves and takes, and what pulling the rows would: three gateways, mutual TLS.

The data is that of 40 devices with four properties each, at 1 Hz, as sensors round it, sealed. Rows are pulled as the
Arrow streams that each node's own SQL answers with, in the columns that the queries use, in slices that an answer has
room for.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benches.figures import Figure, show
from benches.stage import OFF, Running, gateway, waited
from runtime.clock import SystemClock
from store.store import Store, StoreConfig
from twins.exchange import Batch, Point

NODES = ("bench-1", "bench-2", "bench-3")
DEVICES, STEP = 40, 1_000_000
PROPERTIES = (("temperature", 1, 0.1), ("humidity", 0, 1.0), ("current", 3, 0.01), ("vibration", 4, 0.001))
START = 1_780_272_000_000_000
SLICE = 100_000
"""Rows of one pulled answer."""
QUERIES = {
    "one-minute average of each series": "SELECT time_bucket(INTERVAL 1 MINUTE, time) AS minute, node, device, "
    "property, avg(value) FROM group('all') GROUP BY ALL",
    "count, average and spread by property": "SELECT property, count(*), avg(value), stddev(value) FROM group('all') "
    "GROUP BY property",
    "99th percentile by property, sketched": "SELECT property, approx_quantile(value, 0.99) FROM group('all') "
    "GROUP BY property",
    "median by property, exact": "SELECT property, median(value) FROM group('all') GROUP BY property",
    "ten highest of one property": "SELECT time, node, device, value FROM group('all') "
    "WHERE property = 'temperature' ORDER BY value DESC LIMIT 10",
}
PULLED = "SELECT time, node, device, property, value FROM points WHERE time >= ? AND time < ?"


def main(quick: bool = False) -> list[Figure]:
    """Bytes and seconds of each query, and of pulling what it needs."""
    rows = 48_000 if quick else 3_200_000
    with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as folder, ExitStack() as stack:
        running = []
        for name in NODES:
            place = Path(folder) / name
            place.mkdir()
            asyncio.run(_fill(place / "data", name, rows))
            running.append(stack.enter_context(gateway(place, _sections(name, place))))
        _introduce(running)
        figures = _measured(running[0], running, rows)
    show(f"groups: three nodes of {rows:,} rows each", figures)
    return figures


def _measured(asked: Running, running: list[Running], rows: int) -> list[Figure]:
    began = time.perf_counter()
    pulled = sum(_pulled(each, rows) for each in running)
    took = time.perf_counter() - began
    figures = [Figure("groups: pulling all rows", pulled / 1e6, "MB"), Figure("groups: pulling all rows", took, "s")]
    for name, query in QUERIES.items():
        times = []
        for _ in range(3):
            began = time.perf_counter()
            head, _ = _ask(asked, {"query": query, "limit": 1_000_000, "deadline": 60})
            times.append(time.perf_counter() - began)
        group = json.loads(head["X-Group"])
        assert not group["partial"], group
        moved = sum(node["bytes"] for node in group["nodes"])
        figures += [
            Figure(f"groups: {name}: answers of the nodes", moved / 1e3, "kB"),
            Figure(f"groups: {name}: times fewer than pulling", pulled / moved, "", "≥ 20"),
            Figure(f"groups: {name}: best of three", min(times) * 1e3, "ms"),
        ]
    return figures


def _pulled(each: Running, rows: int) -> int:
    """Bytes of all rows of a node."""
    spans = rows // (DEVICES * len(PROPERTIES))
    step = SLICE // (DEVICES * len(PROPERTIES))
    return sum(
        len(_ask(each, {"query": PULLED, "parameters": [_at(n), _at(n + step)], "limit": 1_000_000})[1])
        for n in range(0, spans, step)
    )


def _at(second: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime(START // 1_000_000 + second))


def _ask(each: Running, body: dict[str, Any]) -> tuple[Any, bytes]:
    """Head and body of an answer in Arrow."""
    request = urllib.request.Request(
        f"{each.page}/api/v1/sql?format=arrow", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=90) as answer:
        return answer.headers, bytes(answer.read())


def _introduce(running: list[Running]) -> None:
    """Each knows all others; the first has the group."""
    manifests = []
    for each in running:
        assert waited(lambda each=each: _listens(each) is not None, 20.0)
        with urllib.request.urlopen(f"{each.page}/api/v1/node", timeout=10) as answer:
            manifest = json.loads(answer.read())
        manifest["spec"] |= {"url": f"https://127.0.0.1:{_listens(each)}", "rights": {"namespaces": ["*"]}}
        manifests.append(manifest)
    group = {"apiVersion": "gemelo.dev/v1alpha1", "kind": "Group", "metadata": {"name": "all"}}
    for each, own in zip(running, manifests, strict=True):
        others = [one for one in manifests if one is not own]
        for manifest in (*others, group | {"spec": {"nodes": list(NODES)}}):
            body, kind = json.dumps(manifest).encode(), {"Content-Type": "application/yaml"}
            urllib.request.urlopen(
                urllib.request.Request(f"{each.page}/api/v1/manifests", body, kind), timeout=10
            ).close()


def _listens(each: Running) -> str | None:
    found = re.search(r"door for nodes listens on [\d.]+:(\d+)", (each.folder / "gateway.log").read_text("utf-8"))
    return found[1] if found else None


def _sections(name: str, folder: Path) -> str:
    return (
        f'[node]\nname = "{name}"\n[store]\npath = "{folder / "data"}"\nretention_days = 10000.0\n'
        f'[broker]\nlisten = "127.0.0.1:0"\nanonymous = true\n[nodes]\nlisten = "127.0.0.1:0"\n{OFF}'
    )


async def _fill(path: Path, name: str, rows: int) -> None:
    """Random walks, quantised as sensors do it."""
    noise = random.Random(name)
    store = Store(StoreConfig(path=str(path), keep_days=1e4), name, SystemClock(), {})
    await store.open()
    series = [(f"default/d-{n:02}/{p}", digits, by) for n in range(DEVICES) for p, digits, by in PROPERTIES]
    values = [20.0 + noise.random() for _ in series]
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(store.run(), name="store")
            for second in range(rows // len(series)):
                points = []
                for n, (each, digits, by) in enumerate(series):
                    values[n] += noise.gauss(0, by)
                    at = START + second * STEP + noise.randrange(5000)
                    points.append(Point(each, at, second, round(values[n], digits), None))
                ticket = store.journal.append(Batch(points=points))
                if second % 100 == 0:
                    await store.journal.committed(ticket)
            await store.journal.committed(ticket)
            await store.segments.seal()
            running.cancel()
    finally:
        await store.close()


if __name__ == "__main__":
    main()
