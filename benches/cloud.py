"""What does the cloud cost, and how soon are both sides equal again after an outage?

All against the stand-in CloudCore, a process of its own, whose comparison runs every half second here (the real one's:
every 5 s). Convergence is from the first moment of the new link to the last message of either side, by the stand-in's
own record; that both sides are equal then is checked. Bytes are TCP's payload, TLS included, both ways, as a proxy
counts them.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec

from benches.figures import Figure, percentile, show
from benches.load import Outcome
from benches.nodes import Node, until
from benches.relay import Relay
from benches.stage import OFF, ROOT, Running, end, free_port, gateway, pss, running, waited
from cloud.config import CloudCoreConfig

PROPERTIES = tuple(f"p{n}" for n in range(10))
LOAD = {"temperature": "FLOAT", "humidity": "INT", "voltage": "FLOAT", "door": "STRING"}
"""What `benches.load` reports."""
PACE = 200
"""Local updates a second while the cloud is, or is not, there."""
WINDOW = 4.0
"""Seconds of that; a backlog of 150 devices drains for 4 s at 25 messages a second."""
AWAY = 3600.0
Json = dict[str, Any]


def main(quick: bool = False) -> list[Figure]:
    many = 100 if quick else 1000
    figures = _churn(25.0)
    figures += _outage(many, 1000.0)
    figures += _local(150 if quick else 250, 1 if quick else 4)
    figures += asyncio.run(_wire(20 if quick else 200))
    figures += _nodes(50 if quick else 1000, 10)
    show("cloud", figures)
    return figures


class Stand:
    """The stand-in in a folder. `objects` are there before it starts."""

    def __init__(self, folder: Path, objects: Sequence[Json] = ()) -> None:
        self.folder = folder
        self.https, self.ws, self.api = free_port(), free_port(), free_port()
        for version, one in enumerate(objects, 101):
            meta = {"namespace": "default", "uid": f"uid-{version}", "resourceVersion": str(version), "generation": 1}
            meta["creationTimestamp"] = "2026-01-01T00:00:00Z"
            path = folder / "objects" / one["kind"] / "default" / f"{one['metadata']['name']}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(one | {"metadata": one["metadata"] | meta}), "utf-8")

    @contextmanager
    def running(self) -> Iterator[Stand]:
        ports = ("--https", str(self.https), "--ws", str(self.ws), "--api", str(self.api))
        with running("simulator", "cloudcore", "--data", str(self.folder), *ports, "--sync", "0.5"):
            if not waited(lambda: (self.folder / "token").exists() and bool(self._there()), 30.0):
                sys.exit("the stand-in cloud does not start")
            yield self

    def ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.api}{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def fault(self, kind: str, seconds: float) -> None:
        self.ask("POST", "/fault", {"kind": kind, "for": seconds})

    def config(self, **more: Any) -> CloudCoreConfig:
        return CloudCoreConfig(
            url=f"wss://127.0.0.1:{self.ws}",
            register_url=f"https://127.0.0.1:{self.https}",
            token_file=str(self.folder / "token"),
            **more,
        )

    def section(self, rate: float) -> str:
        config = self.config()
        return (
            f'[cloud]\nkind = "cloudcore"\nurl = "{config.url}"\nregister_url = "{config.register_url}"\n'
            f'token_file = "{config.token_file}"\nrate = {rate}\n'
        )

    def record(self) -> list[Json]:
        text = (self.folder / "received.jsonl").read_text("utf-8")
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def _there(self) -> bool:
        try:
            return bool(self.ask("GET", "/"))
        except OSError:
            return False


def device(name: str, properties: Sequence[str], node: str = "edge-1", model: str = "bench") -> Json:
    spec = {"deviceModelRef": {"name": model}, "nodeName": node, "properties": [{"name": one} for one in properties]}
    return {"apiVersion": "devices.kubeedge.io/v1beta1", "kind": "Device", "metadata": {"name": name}, "spec": spec}


def model(properties: Mapping[str, str], name: str = "bench") -> Json:
    said = [{"name": one, "type": kind, "accessMode": "ReadWrite"} for one, kind in properties.items()]
    kind = {"apiVersion": "devices.kubeedge.io/v1beta1", "kind": "DeviceModel"}
    return kind | {"metadata": {"name": name}, "spec": {"protocol": "bench", "properties": said}}


@contextmanager
def joined(devices: int, rate: float) -> Iterator[tuple[Stand, Running, int]]:
    """A stand-in, and a gateway process that has its devices; the port of its broker."""
    text = dict.fromkeys(PROPERTIES, "STRING")
    objects = [model(text), model(LOAD, "load"), *(device(f"d{n}", PROPERTIES) for n in range(devices))]
    objects += [device(f"thermometer-{n}", list(LOAD), model="load") for n in range(10)]
    with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as folder, ExitStack() as stack:
        (Path(folder) / "cloud").mkdir()
        stand = stack.enter_context(Stand(Path(folder) / "cloud", objects).running())
        broker = f'[node]\nname = "edge-1"\n[broker]\nlisten = "127.0.0.1:{free_port()}"\nanonymous = true\n'
        store = f'[store]\npath = "{folder}/data"\n'
        found = stack.enter_context(gateway(Path(folder), broker + store + OFF + stand.section(rate)))
        if not waited(lambda: len(_devices(found)) == devices + 10, 120.0):
            sys.exit("the gateway did not get its devices")
        yield stand, found, int(broker.partition("127.0.0.1:")[2].partition('"')[0])


def _outage(devices: int, rate: float) -> list[Figure]:
    with joined(devices, rate) as (stand, found, port):
        _away(stand, found, port, devices)
        seconds = _back(stand, found, devices)
    changed = f"{devices * len(PROPERTIES):,} changed properties on {devices:,} devices"
    limit = (devices - 50) / 25.0
    return [
        Figure(f"equal after an outage, {changed}, at {rate:g} messages/s", seconds, "s"),
        Figure("the same at 25 messages/s, the default (computed)", max(limit, seconds), "s"),
    ]


def _churn(rate: float) -> list[Figure]:
    """100 devices report, and of 300 others 100 come, 100 change and 100 go in the cloud meanwhile."""
    with joined(300, rate) as (stand, found, port):
        _away(stand, found, port, 100)
        for n in range(100):
            stand.ask("PUT", f"/devices/default/new{n}", device(f"new{n}", PROPERTIES))
            stand.ask("PATCH", f"/devices/default/d{n + 100}", {"desired": {"p0": "new"}})
            stand.ask("DELETE", f"/devices/default/d{n + 200}")
        seconds = _back(stand, found, 100)
    name = "equal after an outage, 1,000 changed properties, 300 devices added, changed, removed"
    return [Figure(name, seconds, "s", "≤ 5")]


def _away(stand: Stand, found: Running, port: int, devices: int) -> None:
    """Everything is in the cloud once; then the link is cut and everything changes."""
    asyncio.run(_say(port, devices, "before"))
    _settled(stand, found, devices, "before")
    stand.fault("cut", AWAY)
    asyncio.run(_say(port, devices, "after"))


def _back(stand: Stand, found: Running, devices: int) -> float:
    stand.fault("cut", 0)
    _settled(stand, found, devices, "after")
    record = stand.record()
    linked: int = max(line["time"] for line in record if line["verdict"] == "connected")
    last: int = max(line["time"] for line in record if line["verdict"] in ("confirmed", "acknowledged"))
    return (last - linked) / 1e6


def _settled(stand: Stand, found: Running, devices: int, value: str) -> None:
    """Wait until the cloud has the value of each device, and the gateway the cloud's devices."""

    def equal() -> bool:
        time.sleep(0.5)  # asking costs the stand-in what it could spend on the gateway
        if _get(found, "/api/v1/cloud")["pending"]:
            return False
        said = stand.ask("GET", "/devicestatuses")["items"]
        values = {one["metadata"]["name"]: {t["reported"]["value"] for t in _twins(one)} for one in said}
        there = {f"default/{one['metadata']['name']}" for one in stand.ask("GET", "/devices")["items"]}
        return all(values.get(f"d{n}") == {value} for n in range(devices)) and there == set(_devices(found))

    if not waited(equal, 180.0):
        sys.exit("gateway and cloud are not equal after three minutes")


def _twins(status: Json) -> list[Json]:
    return list(status["status"].get("twins", []))


def _devices(found: Running) -> list[str]:
    return [one["id"] for one in _get(found, "/api/v1/devices")]


def _get(found: Running, path: str) -> Any:
    with urllib.request.urlopen(found.page + path, timeout=30) as answer:
        return json.load(answer)


async def _say(port: int, devices: int, value: str) -> None:
    """Each device reports ten properties; returns when all are answered."""
    twin = {name: {"actual": {"value": value}} for name in PROPERTIES}
    async with aiomqtt.Client("127.0.0.1", port, identifier="bench") as client:
        await client.subscribe("$hw/events/device/+/+/twin/update/result", qos=1)
        client.pending_calls_threshold = devices + 1
        for n in range(devices):
            body = json.dumps({"event_id": f"{value}-{n}", "timestamp": int(time.time() * 1000), "twin": twin})
            await client.publish(f"$hw/events/device/default/d{n}/twin/update", body, qos=1)
        async with asyncio.timeout(60):
            left = {f"{value}-{n}" for n in range(devices)}
            async for message in client.messages:
                left.discard(json.loads(bytes(message.payload))["event_id"])
                if not left:
                    return


def _local(devices: int, turns: int) -> list[Figure]:
    """The same load on a gateway that is joined, cut, and drains, in turns of some seconds; medians over the turns."""
    rounds: list[tuple[Outcome, Outcome, Outcome]] = []
    with joined(devices, 25.0) as (stand, found, port):
        for turn in range(turns):
            asyncio.run(_say(port, devices, f"before-{turn}"))
            _settled(stand, found, devices, f"before-{turn}")
            calm = _load(port, WINDOW)
            stand.fault("cut", AWAY)
            asyncio.run(_say(port, devices, f"after-{turn}"))
            cut = _load(port, WINDOW)
            stand.fault("cut", 0)
            if not waited(lambda: _get(found, "/api/v1/cloud")["state"] == "connected", 30.0):
                sys.exit("there is no link again")
            rounds.append((calm, cut, _load(port, WINDOW)))
            _settled(stand, found, devices, f"after-{turn}")
    p99 = [statistics.median(side.p99 for side in sides) for sides in zip(*rounds, strict=True)]
    p50 = [statistics.median(side.p50 for side in sides) for sides in zip(*rounds, strict=True)]
    load = f"local updates, {PACE}/s"
    return [
        Figure(f"{load}: p99 without the cloud", p99[1], "ms"),
        Figure(f"{load}: p50 joined, against without", p50[0] / p50[1], "", "≤ 1.2"),
        Figure(f"{load}: p99 joined, against without", p99[0] / p99[1], "", "≤ 2"),
        Figure(f"{load}: p99 while a backlog drains, against without", p99[2] / p99[1], "", "≤ 2"),
    ]


def _load(port: int, seconds: float) -> Outcome:
    words = ("--devices", "10", "--in-flight", "0", "--seconds", str(seconds), "--rate", str(PACE))
    done = subprocess.run(
        [sys.executable, "-m", "benches.load", str(port), *words], cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    outcome = msgspec.json.decode(done.stdout, type=Outcome)
    if outcome.unanswered or outcome.refused:
        sys.exit(f"local updates were lost: {outcome}")
    return outcome


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
        stored = {t["reported"]["value"] for one in stand.ask("GET", "/devicestatuses")["items"] for t in _twins(one)}
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
