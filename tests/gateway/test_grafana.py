"""A real gateway read by Grafana's own Prometheus source, with the dashboard we ship, and by Arrow Flight."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.gateway.process import ROOT, Gateway, Sensor

pytest.importorskip("promql_parser")

DASHBOARD = json.loads((ROOT / "docs" / "grafana" / "gemelo.json").read_text("utf-8"))
VARIABLES = {"$namespace": ".+", "$device": "boiler-1|t-2", "$property": "heat|level"}
SPANS = {"$__rate_interval": "1m", "$__range": "1h", "$__interval": "15s"}

Ask = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that has some values."""
    if shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
        pytest.skip("no mosquitto: apt-get install mosquitto")
    with Gateway(tmp_path_factory.mktemp("grafana"), flight='listen = "127.0.0.1:0"') as gateway:
        gateway.start()

        async def speak() -> None:
            for name in ("boiler-1", "t-2"):
                async with Sensor(gateway.broker(), name) as sensor:
                    for heat in ("60.5", "61.5", "62.5"):
                        await sensor.tell(heat=heat, level="7")
                    await sensor.tell(mode="auto")

        asyncio.run(speak())
        yield gateway


@pytest.fixture
def ask(gateway: Gateway) -> Ask:
    """`ask("/query", query="up")`: GET, or with `post` POST; status and body."""

    def asking(path: str, *, post: bool = False, **words: Any) -> tuple[int, Any]:
        form = urllib.parse.urlencode(words, doseq=True)
        url = f"{gateway.url}/prometheus/api/v1{path}"
        data = form.encode() if post else None
        try:
            with urllib.request.urlopen(url if post else f"{url}?{form}", data, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    return asking


def filled(text: str) -> str:
    """With Grafana's variables as Grafana fills them."""
    for name, value in (VARIABLES | SPANS).items():
        text = re.sub(rf"{re.escape(name)}\b", value, text)
    assert "$" not in text
    return text


def span() -> dict[str, Any]:
    now = time.time()
    return {"start": now - 3600, "end": now + 1, "step": 15}


def test_what_grafana_asks_to_test_a_source_is_answered(ask: Ask) -> None:
    status, body = ask("/query", post=True, query="1+1", time=10)
    assert (status, body["status"], body["data"]) == (200, "success", {"resultType": "scalar", "result": [10.0, "2"]})
    assert ask("/status/buildinfo")[1]["data"]["version"] == "2.45.0"
    assert ask("/query_exemplars", query="heat")[1]["data"] == []


def test_names_of_metrics_labels_and_series_are_listed(ask: Ask) -> None:
    assert ask("/labels")[1]["data"] == ["__name__", "device", "namespace", "node"]
    assert ask("/label/__name__/values")[1]["data"] == ["heat", "level"]
    assert ask("/label/device/values", **{"match[]": 'heat{device=~"boil.*"}'})[1]["data"] == ["boiler-1"]
    assert ask("/label/job/values")[1]["data"] == []
    series = ask("/series", post=True, **{"match[]": ["heat", 'level{device="t-2"}']})[1]["data"]
    assert len(series) == 3
    assert series[0] == {"__name__": "heat", "namespace": "default", "device": "boiler-1", "node": "edge-1"}
    assert set(ask("/metadata")[1]["data"]) == {"heat", "level"}


def test_values_come_with_their_labels_at_each_step(ask: Ask) -> None:
    status, body = ask("/query_range", post=True, query='heat{device="boiler-1"}', **span())
    assert (status, body["data"]["resultType"]) == (200, "matrix")
    (series,) = body["data"]["result"]
    assert series["metric"] == {"__name__": "heat", "namespace": "default", "device": "boiler-1", "node": "edge-1"}
    assert series["values"][-1][1] == "62.5"
    assert isinstance(series["values"][-1][0], float)
    (sample,) = ask("/query", query='avg by (device) (max_over_time(heat{device="t-2"}[1h]))')[1]["data"]["result"]
    assert (sample["metric"], sample["value"][1]) == ({"device": "t-2"}, "62.5")
    assert ask("/query", query="nothing")[1]["data"] == {"resultType": "vector", "result": []}
    assert ask("/query", query="sum(nothing)")[1]["data"] == {"resultType": "vector", "result": []}


@pytest.mark.parametrize(
    ("path", "words", "kind", "reason"),
    [
        ("/query", {"query": "heat{"}, "bad_data", "invalid parameter query"),
        ("/query", {"query": "topk(3, heat)"}, "bad_data", "not supported"),
        ("/query", {}, "bad_data", "invalid parameter"),
        ("/query", {"query": "rate({__name__=~'.+'}[1h])"}, "bad_data", "same labels"),
        ("/query", {"query": "heat", "time": "soon"}, "bad_data", "no time"),
        ("/query_range", {"query": "heat", "start": 0, "end": 1e6, "step": 1}, "bad_data", "maximum resolution"),
        ("/query_range", {"query": "heat", "start": 9, "end": 1, "step": 1}, "bad_data", "before start"),
        ("/query_range", {"query": "heat", "start": 1, "end": 9, "step": "1x"}, "bad_data", "no duration"),
        ("/series", {}, "bad_data", "match"),
        ("/series", {"match[]": "rate(x[5m])"}, "bad_data", "no selector"),
    ],
)
def test_an_error_has_prometheus_form(ask: Ask, path: str, words: dict[str, Any], kind: str, reason: str) -> None:
    status, body = ask(path, **words)
    assert (status, body["status"], body["errorType"]) == (400, "error", kind)
    assert reason in body["error"]


def test_the_dashboard_has_the_form_that_grafana_imports() -> None:
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= DASHBOARD.keys()
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) >= 8
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert panel["type"] in {"stat", "timeseries", "table"}
        assert panel["title"]
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${source}"}
            assert target["expr"]
    assert len({target["refId"] for panel in panels for target in panel["targets"]}) <= 2
    assert [one["name"] for one in DASHBOARD["templating"]["list"]] == ["source", "namespace", "device", "property"]


def test_every_query_of_the_dashboard_is_answered_with_values(ask: Ask) -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            path, more = ("/query", {}) if target["instant"] else ("/query_range", span())
            status, body = ask(path, post=True, query=filled(target["expr"]), **more)
            assert (status, body["status"]) == (200, "success"), (panel["title"], body)
            assert body["data"]["result"], panel["title"]


def test_every_variable_of_the_dashboard_finds_its_values(ask: Ask) -> None:
    found = {}
    for variable in DASHBOARD["templating"]["list"][1:]:
        selector, label = re.fullmatch(r"label_values\((?:(.+), )?(\w+)\)", variable["query"]["query"]).groups()  # type: ignore[union-attr]
        words = {"match[]": filled(selector)} if selector else {}
        status, body = ask(f"/label/{label}/values", **words)
        assert status == 200, body
        found[variable["name"]] = body["data"]
    assert found == {"namespace": ["default"], "device": ["boiler-1", "t-2"], "property": ["heat", "level"]}


def test_a_gateway_with_the_door_open_speaks_arrow_flight(gateway: Gateway) -> None:
    flight = pytest.importorskip("pyarrow.flight")
    (address,) = re.findall(r"Arrow Flight listens on (\S+)", gateway.output)
    with flight.connect(f"grpc://{address}") as client:
        table = client.do_get(flight.Ticket("SELECT max(value) AS heat FROM latest WHERE property = 'heat'")).read_all()
    assert table.to_pylist() == [{"heat": 62.5}]


def test_the_newest_values_are_answered_without_sql(gateway: Gateway) -> None:
    status, body = gateway.ask("GET", "/api/v1/latest?device=t-2&property=level")
    assert (status, [(one["device"], one["value"]) for one in body]) == (200, [("default/t-2", 7.0)])


def test_twins_are_seen_as_they_were(gateway: Gateway) -> None:
    query = "SELECT reported FROM twins_at(now() - INTERVAL 1 HOUR) UNION ALL SELECT reported FROM twins_at(now())"
    status, body = gateway.ask("POST", "/api/v1/sql", {"query": f"{query} ORDER BY 1"})
    assert (status, body["rows"]) == (200, [["62.5"], ["62.5"], ["7"], ["7"], ["auto"], ["auto"]])
