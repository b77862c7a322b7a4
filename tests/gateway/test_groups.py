"""Three gateways on loopback, each a process with a certificate of its own, asked as one."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pyarrow as pa
import pytest
import yaml

from runtime.clock import SystemClock
from store.store import Store, StoreConfig
from tests.crowding import crowding
from tests.gateway.process import Gateway, invoke, until
from twins.exchange import Batch, Point
from web.nodes.identity import Identity

pytest.importorskip("duckdb", reason="DuckDB is not installed: the extra `sql`")

NAMES = ("edge-1", "edge-2", "edge-3")
PLACES = {"edge-1": (48.2, 16.37), "edge-2": (48.3, 16.4), "edge-3": (47.07, 15.44)}
ROWS = 3000
SECOND = 1_000_000
START = 1_780_000_000_000_000


class Trio:
    """The gateways, and what each said of itself."""

    def __init__(self, gateways: dict[str, Gateway]) -> None:
        self.gateways = gateways
        self.first = gateways["edge-1"]
        self.manifests = {name: self._introduced(name) for name in NAMES}
        for name in NAMES:
            for other in NAMES:
                if other != name:
                    self.introduce(name, self.manifests[other])
        groups = [
            {"nodes": list(NAMES)},
            {"labels": {"site": "vienna"}},
            {"within": {"latitude": 48.2, "longitude": 16.37, "km": 30}},
        ]
        for name, spec in zip(("all", "vienna", "near"), groups, strict=True):
            self.first.apply(manifest("Group", name, spec))

    def introduce(self, to: str, who: dict[str, Any]) -> None:
        self.gateways[to].apply(yaml.safe_dump(who))

    def ask(self, query: str, **more: Any) -> dict[str, Any]:
        status, told = self.first.ask("POST", "/api/v1/sql", {"query": query, "limit": 10_000, **more})
        assert status == 200, told
        return dict(told)

    def refused(self, query: str, **more: Any) -> tuple[int, str]:
        status, told = self.first.ask("POST", "/api/v1/sql", {"query": query, **more})
        assert status >= 400, told
        return status, told["detail"]

    def _introduced(self, name: str) -> dict[str, Any]:
        gateway = self.gateways[name]
        port = gateway.says(r"the door for nodes listens on 127\.0\.0\.1:(\d+)").group(1)
        said: dict[str, Any] = gateway.ask("GET", "/api/v1/node")[1]
        said["spec"] |= {"url": f"https://127.0.0.1:{port}", "rights": {"series": ["default/*/temperature"]}}
        return said


def manifest(kind: str, name: str, spec: dict[str, Any]) -> str:
    return yaml.safe_dump({"apiVersion": "gemelo.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})


async def fill(folder: Path, name: str) -> None:
    """Points of two devices, and one series that others may not read."""
    store = Store(StoreConfig(path=str(folder / "data")), name, SystemClock(), {})
    await store.open()
    number = NAMES.index(name)
    points = []
    for n in range(ROWS):
        at = START + n * SECOND
        points.append(Point(f"default/t-{n % 2}/temperature", at, n, 20.0 + number + n % 7, None))
        if n % 100 == 0:
            points.append(Point("default/door/code", at, n, 1234.0 + n, None))
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(store.run(), name="store")
            await store.journal.committed(store.journal.append(Batch(points=points)))
            running.cancel()
    finally:
        await store.close()


def answers(gateway: Gateway) -> bool:
    """True once its process for queries runs: on a busy machine the first question takes longer than it may."""
    if gateway.ask("GET", "/readyz")[0] != 200:
        return False
    return gateway.ask("POST", "/api/v1/sql", {"query": "SELECT count(*) FROM points", "deadline": 8})[0] == 200


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trio]:
    gateways = {}
    try:
        for name in NAMES:
            folder = tmp_path_factory.mktemp(name)
            asyncio.run(fill(folder, name))
            north, east = PLACES[name]
            site = "graz" if name == "edge-3" else "vienna"
            node = f'name = "{name}"\nsite = "{site}"\nlatitude = {north}\nlongitude = {east}\nlabels = {{line = "a"}}'
            store = 'path = "data"\nretention_days = 10000.0'
            gateways[name] = Gateway(folder, node=node, nodes='listen = "127.0.0.1:0"', store=store).spawn()
        for gateway in gateways.values():
            until(lambda each=gateway: answers(each), 60.0, what=lambda each=gateway: each.output)
        yield Trio(gateways)
    finally:
        for gateway in gateways.values():
            gateway.stop()


def test_three_nodes_answer_as_one(trio: Trio) -> None:
    told = trio.ask("SELECT node, count(*), avg(value), max(value) FROM group('all') GROUP BY node ORDER BY node")
    temperatures = [[f"edge-{n + 1}", ROWS, 20 + n + sum(i % 7 for i in range(ROWS)) / ROWS, 26 + n] for n in range(3)]
    own = trio.ask("SELECT node, count(*), avg(value), max(value) FROM points GROUP BY node")["rows"][0]
    assert told["rows"][1:] == [[pytest.approx(v) if isinstance(v, float) else v for v in r] for r in temperatures[1:]]
    assert told["rows"][0] == own  # whoever asks reads all of its own
    assert told["group"]["partial"] is False
    assert told["group"]["ways"] == ["partial aggregates of points"]
    assert [(one["node"], one["answered"], one["sent"]) for one in told["group"]["nodes"]] == [
        (name, True, 1) for name in NAMES
    ]
    assert {one["newest"] for one in told["group"]["nodes"]} == {START + (ROWS - 1) * SECOND}
    assert told["plan"] == "3 of 3 nodes; partial aggregates of points"


@pytest.mark.parametrize(
    ("choice", "nodes"),
    [
        ({"group": "vienna"}, ["edge-1", "edge-2"]),
        ({"group": "near"}, ["edge-1", "edge-2"]),
        ({"near": {"latitude": 47.0, "longitude": 15.4, "km": 20}}, ["edge-3"]),
        ({"where": {"line": "a"}}, list(NAMES)),
        ({"where": {"site": "graz"}}, ["edge-3"]),
        ({"group": "all", "where": {"name": "edge-2"}}, ["edge-2"]),
    ],
)
def test_nodes_are_chosen_by_group_label_and_place(trio: Trio, choice: dict[str, Any], nodes: list[str]) -> None:
    told = trio.ask("SELECT DISTINCT node FROM points ORDER BY node", **choice)
    assert [row[0] for row in told["rows"]] == nodes


def test_quantiles_top_rows_and_joins_are_answered_too(trio: Trio) -> None:
    query = "SELECT median(value), approx_quantile(value, 0.5), count(DISTINCT device) FROM group('all', 'points')"
    told = trio.ask(f"{query} WHERE property = 'temperature'")
    exact = sorted(20.0 + n + i % 7 for n in range(3) for i in range(ROWS))
    middle = (exact[3 * ROWS // 2 - 1] + exact[3 * ROWS // 2]) / 2
    assert told["rows"][0] == [middle, pytest.approx(middle, rel=0.011), 2]
    assert told["group"]["ways"] == ["sketch of points"]
    told = trio.ask("SELECT node, value FROM group('all') WHERE property = 'temperature' ORDER BY value DESC LIMIT 2")
    assert told["rows"] == [["edge-3", 28.0]] * 2
    assert all(one["sent"] <= 2 for one in told["group"]["nodes"])
    told = trio.ask(
        "SELECT p.node, n.site, count(*) FROM group('all') p JOIN nodes n ON n.node = p.node "
        "WHERE p.property = 'temperature' AND p.value > 27 GROUP BY ALL ORDER BY 1"
    )
    assert [row[:2] for row in told["rows"]] == [["edge-3", "graz"]]


def test_rights_of_the_node_and_of_the_caller_both_count(trio: Trio) -> None:
    query = "SELECT node, property, count(*) FROM group('all') GROUP BY ALL ORDER BY ALL"
    assert [row[:2] for row in trio.ask(query)["rows"]] == [
        ["edge-1", "code"],
        *([name, "temperature"] for name in NAMES),
    ]
    told = trio.ask(query, rights=["default/t-1/*"])
    assert told["rows"] == [[name, "temperature", ROWS // 2] for name in NAMES]
    told = trio.ask("SELECT DISTINCT device, property FROM points", rights=["default/t-1/*"])
    assert told["rows"] == [["t-1", "temperature"]]  # where only this node is asked, too
    query = "SELECT DISTINCT p.property FROM group('vienna') g JOIN points p ON p.time = g.time"
    assert trio.ask(f"{query} ORDER BY 1")["rows"] == [["code"], ["temperature"]]
    assert trio.ask(query, rights=["*/*/temperature"])["rows"] == [["temperature"]]
    told = trio.ask("SELECT count(*) FROM group('all', 'events')")
    reasons = {one["node"]: one["reason"] for one in told["group"]["nodes"]}
    assert reasons == {"edge-1": "", "edge-2": "events is for who may read everything"} | {
        "edge-3": "events is for who may read everything"
    }


def test_one_dead_node_fails_no_query_unless_it_is_asked_to(trio: Trio) -> None:
    dead = json.loads(json.dumps(trio.manifests["edge-2"]))
    dead["metadata"]["name"], dead["spec"]["url"] = "edge-4", "https://127.0.0.1:9"
    trio.introduce("edge-1", dead)
    try:
        told = trio.ask("SELECT count(DISTINCT node) FROM points", where={})  # of this node alone
        assert told["rows"] == [[1]]
        told = trio.ask("SELECT count(DISTINCT node) FROM points", near={"latitude": 48, "longitude": 16, "km": 500})
        assert told["rows"] == [[3]]
        assert told["group"]["partial"] is True
        (failed,) = [one for one in told["group"]["nodes"] if not one["answered"]]
        assert failed["reason"].startswith("Connect call failed")
        status, reason = trio.refused(
            "SELECT 1 FROM points", near={"latitude": 48, "longitude": 16, "km": 500}, require="all"
        )
        assert (status, reason[:38]) == (503, "1 of 4 nodes did not answer: edge-4: C"[:38])
    finally:
        assert trio.first.ask("DELETE", "/api/v1/manifests/Node/default/edge-4")[0] in {200, 204}


def test_a_slow_node_is_given_up_at_its_deadline(trio: Trio) -> None:
    slow = trio.gateways["edge-3"]
    slow.signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        told = trio.ask("SELECT node, count(*) FROM group('all') GROUP BY node ORDER BY node", deadline=2)
        assert time.monotonic() - began < 4 * crowding()
    finally:
        slow.signal(signal.SIGCONT)
    assert [row[0] for row in told["rows"]] == ["edge-1", "edge-2"]
    assert [one["reason"] for one in told["group"]["nodes"] if not one["answered"]] == ["no answer within 1.6 s"]


def test_a_node_with_another_certificate_is_told_nothing(trio: Trio) -> None:
    false = json.loads(json.dumps(trio.manifests["edge-2"]))
    false["spec"] |= {"fingerprint": "sha256:" + "0" * 64, "certificate": "", "rights": {}}
    trio.introduce("edge-1", false)
    try:
        told = trio.ask("SELECT count(DISTINCT node) FROM group('vienna')")
        (failed,) = [one for one in told["group"]["nodes"] if not one["answered"]]
        real = trio.manifests["edge-2"]["spec"]["fingerprint"]
        assert failed["reason"] == f"its certificate is not the one of its manifest but {real}"
    finally:
        trio.introduce("edge-1", trio.manifests["edge-2"])


async def test_a_stranger_is_refused_and_the_owner_hears_of_it(trio: Trio, tmp_path: Path) -> None:
    stranger = Identity(tmp_path, "edge-1", SystemClock())
    assert stranger.certificate
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    url = trio.manifests["edge-2"]["spec"]["url"]
    for own in (False, True):
        if own:
            context.load_cert_chain(stranger.file)
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientError):
                await session.post(f"{url}/v1/sql", json={}, ssl=context)

    def told() -> list[Any]:
        return trio.gateways["edge-2"].rows("SELECT object, message FROM events WHERE kind = 'security'")

    (heard,) = await asyncio.to_thread(until, told)
    assert heard == [
        "node",
        "somebody was refused at the door for nodes: its certificate is refused: self-signed certificate",
    ]


def test_who_is_no_node_any_more_is_refused_at_its_next_word(trio: Trio) -> None:
    second = trio.gateways["edge-2"]
    assert second.ask("DELETE", "/api/v1/manifests/Node/default/edge-1")[0] in {200, 204}
    try:
        told = trio.ask("SELECT count(DISTINCT node) FROM group('vienna')")
        (failed,) = [one for one in told["group"]["nodes"] if not one["answered"]]
        assert failed["reason"] == "this node has no manifest for your certificate any more"
    finally:
        trio.introduce("edge-2", trio.manifests["edge-1"])
    assert trio.ask("SELECT count(DISTINCT node) FROM group('vienna')")["rows"] == [[2]]


def test_too_many_rows_are_refused_with_a_way_out(trio: Trio) -> None:
    trio.first.config.write_text(
        trio.first.config.read_text("utf-8").replace("[nodes]\n", "[nodes]\npull_rows = 100\n"), "utf-8"
    )
    trio.first.signal(signal.SIGHUP)
    until(lambda: "more to send" in str(trio.first.ask("POST", "/api/v1/sql", {"query": "FROM group('all')"})[1]))
    status, reason = trio.refused("SELECT mad(value) FROM group('all')")
    assert status == 413
    assert "rows of points: cut at the limit of 100 rows" in reason
    assert trio.ask("SELECT count(*) FROM group('vienna')")["rows"][0][0] > ROWS


@pytest.mark.parametrize(
    ("query", "choice", "code", "reason"),
    [
        ("SELECT 1 FROM group('alll')", {}, 404, "there is no Group alll: did you mean all?"),
        ("SELECT 1 FROM points", {"where": {"site": "atlantis"}}, 404, "no node that is known here is meant"),
        ("SELECT 1", {"group": "all"}, 400, "no table of the group is in this query"),
        ("ATTACH 'x'", {"group": "all"}, 403, "ATTACH is not allowed"),
        ("SELECT * FROM group('all') WHERE getenv('HOME') = ''", {}, 403, "the function getenv() is not allowed"),
        ("SELECT (((", {"group": "all"}, 400, "cannot be read"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    trio: Trio, query: str, choice: dict[str, Any], code: int, reason: str
) -> None:
    status, told = trio.refused(query, **choice)
    assert (status, reason in told) == (code, True), told


def test_the_command_line_asks_and_tells_who_answered(trio: Trio) -> None:
    done = invoke("sql", "--url", trio.first.url, "--group", "all", "SELECT count(DISTINCT node) AS n FROM points")
    assert (done.returncode, done.stdout.split()) == (0, ["N", "3"]), done.stderr
    assert done.stderr.count("newest point") == 3
    done = invoke("sql", "--url", trio.first.url, "--where", "site=graz", "-o", "csv", "SELECT max(value) FROM points")
    assert done.stdout.splitlines()[1] == "28"
    done = invoke("node", "identity", "--url", trio.first.url)
    assert yaml.safe_load(done.stdout)["spec"]["fingerprint"] == trio.manifests["edge-1"]["spec"]["fingerprint"]
    done = invoke("get", "nodes", "--url", trio.first.url)
    assert done.stdout.splitlines()[0].split() == ["NAME", "SITE", "URL", "FINGERPRINT"]


async def test_arrow_comes_with_the_report_in_its_head(trio: Trio) -> None:
    body = {"query": "SELECT node, value FROM group('vienna') LIMIT 5"}
    url = f"{trio.first.url}/api/v1/sql?format=arrow"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
        assert answer.status == 200, await answer.text()
        report = json.loads(answer.headers["X-Group"])
        table = pa.ipc.open_stream(await answer.read()).read_all()
    assert (table.num_rows, report["partial"]) == (5, False)


def test_the_key_is_for_its_owner_alone_and_stays(trio: Trio) -> None:
    file = trio.first.folder / "data" / "node" / "node.pem"
    assert file.stat().st_mode & 0o777 == 0o600
    again = trio.first.ask("GET", "/api/v1/node")[1]
    assert again["spec"]["fingerprint"] == trio.manifests["edge-1"]["spec"]["fingerprint"]
    assert all(gateway.is_calm() for gateway in trio.gateways.values())


def test_the_other_nodes_are_in_sql(trio: Trio) -> None:
    rows = trio.first.rows("SELECT node, site, latitude FROM nodes ORDER BY node")
    assert rows == [["edge-1", "vienna", 48.2], ["edge-2", "vienna", 48.3], ["edge-3", "graz", 47.07]]
