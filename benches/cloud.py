"""What does the cloud cost, and how soon are both sides equal again after an outage?

All against the stand-in CloudCore, a process of its own, whose comparison runs every half second here (the real one's:
every 5 s). Convergence is from the first moment of the new link to the last message of either side, by the stand-in's
own record; that both sides are equal then is checked. Bytes are TCP's payload, TLS included, both ways, as a proxy
counts them.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import msgspec

from benches.figures import Figure, percentile, show
from benches.nodes import Node, until
from benches.outage import churn, local, outage
from benches.relay import Relay
from benches.stage import ROOT, end, pss
from benches.standin import PROPERTIES, Json, Stand, device, model, twins_of


def main(quick: bool = False) -> list[Figure]:
    many = 100 if quick else 1000
    figures = churn(25.0)
    figures += outage(many, 1000.0)
    figures += local(150 if quick else 250, 1 if quick else 4)
    figures += asyncio.run(_wire(20 if quick else 200))
    figures += _nodes(50 if quick else 1000, 10)
    show("cloud", figures)
    return figures


async def _wire(devices: int) -> list[Figure]:
    """Ten properties of a device in one message, against a message for each; the same values over the same link."""
    names = [f"d{n}" for n in range(devices)]
    objects = [model(dict.fromkeys(PROPERTIES, "STRING")), *(device(one, PROPERTIES) for one in names)]
    with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as folder, ExitStack() as stack:
        stand = stack.enter_context(Stand(Path(folder), objects).running())
        async with Relay(stand.ws) as relay, asyncio.TaskGroup() as group:
            settings = stand.config(rate=1000.0, heartbeat=3600.0)
            settings = msgspec.structs.replace(settings, url=f"wss://127.0.0.1:{relay.port}")
            node = Node("edge-1", settings, Path(folder))
            await node.join((stand.folder / "token").read_text())
            work = group.create_task(node.run())
            await until(lambda: len(node.devices) == devices)
            await node.report(dict.fromkeys(PROPERTIES, "20.0"))
            await until(lambda: not node.unsynced)
            together = await _bytes(node, relay, dict.fromkeys(PROPERTIES, "21.5"))
            single = 0
            for name in PROPERTIES:
                single += await _bytes(node, relay, {name: "22.5"})
            work.cancel()
    changed = devices * len(PROPERTIES)
    return [
        Figure("bytes on the wire a changed property, ten of a device in one message", together / changed, "B"),
        Figure("bytes on the wire a changed property, one message a change", single / changed, "B"),
        Figure("one message a change, against ours", single / together, ""),
    ]


async def _bytes(node: Node, relay: Relay, values: Mapping[str, str]) -> int:
    await asyncio.sleep(0.5)  # answers and acknowledgements of TLS records before
    before = relay.bytes
    await node.report(values)
    await until(lambda: not node.unsynced)
    await asyncio.sleep(0.5)
    return relay.bytes - before


def _nodes(nodes: int, devices: int) -> list[Figure]:
    """All join, report; all links are cut at once, everything changes, and all come back."""
    objects = [model({"value": "STRING"})]
    objects += [device(f"n{n}-d{d}", ["value"], f"node-{n}") for n in range(nodes) for d in range(devices)]
    with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as folder, ExitStack() as stack:
        place = Path(folder)
        (place / "cloud").mkdir()
        stand = stack.enter_context(Stand(place / "cloud", objects).running())
        config = stand.config()
        words = [config.url, config.register_url, config.token_file, "0", str(nodes), str(devices), folder]
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "benches.nodes", *words],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        stack.callback(end, process)
        _hear(process, "ready")
        ready = time.perf_counter() - began
        _tell(process, "1", nodes / 20)  # each is sent twice, and all at once would be more than a stand-in bears
        second = _tell(process, "2")
        memory = pss(process.pid) / nodes
        cut = time.time_ns() // 1000
        stand.fault("cut", 20.0)
        last = _tell(process, "3")
        links = sorted(_back_again(stand.record(), cut).values())
        stored = {t["reported"]["value"] for one in stand.ask("GET", "/devicestatuses")["items"] for t in twins_of(one)}
        if stored != {"3"}:
            sys.exit(f"the cloud has {stored}")
    of = f"{nodes:,} nodes of {devices} devices"
    return [
        Figure(f"{of}: from nothing until each is joined and has its devices", ready, "s"),
        Figure(f"{of}: a value of each device", second, "s"),
        Figure(f"{of}: messages a second through the stand-in", nodes * devices / second, "msg/s"),
        Figure(f"{of}: half of the links are back after a cut of 20 s", percentile(links, 0.5), "s"),
        Figure(f"{of}: all links are back", links[-1], "s"),
        Figure(f"{of}: all values are in the cloud after a cut of 20 s", last - 20.0, "s"),
        Figure("memory a node, twins and link alone", memory, "MB"),
    ]


def _back_again(record: list[Json], cut: int) -> dict[str, float]:
    """Seconds after the end of the cut at which each node had the link that lasted."""
    return {
        x["node"]: (x["time"] - cut) / 1e6 - 20.0 for x in record if x["verdict"] == "connected" and x["time"] > cut
    }


def _tell(process: subprocess.Popen[bytes], value: str, spread: float = 0.0) -> float:
    assert process.stdin is not None
    began = time.perf_counter()
    process.stdin.write(f"{value} {spread}\n".encode())
    process.stdin.flush()
    _hear(process, "done")
    return time.perf_counter() - began


def _hear(process: subprocess.Popen[bytes], word: str) -> None:
    assert process.stdout is not None
    if (said := process.stdout.readline().decode().strip()) != word:
        sys.exit(f"the nodes said {said!r}, not {word!r}")


if __name__ == "__main__":
    main("--quick" in sys.argv)
