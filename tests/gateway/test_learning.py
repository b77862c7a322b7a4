"""Learning in a whole gateway: from its own history, by commands, over a kill; rules read what was learned."""

from __future__ import annotations

import asyncio
import json
import signal
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from tests.gateway.process import Gateway, Sensor, invoke, until

needs_statsmodels = pytest.mark.skipif(
    find_spec("statsmodels") is None, reason="statsmodels is not installed: pip install 'gemelo[learning]'"
)
QUARTER = 6 * 3_600_000_000
BASELINE = """
apiVersion: gemelo.dev/v1alpha1
kind: Baseline
metadata: {name: usual}
spec:
  from: [{device: "room-*", property: temperature}]
  minimum: 50
  refit: "0 3 1 1 *"
"""
FORECAST = """
apiVersion: gemelo.dev/v1alpha1
kind: Forecast
metadata: {name: rate}
spec: {device: line-1, property: rate, step: 6h, horizon: 12h, leads: [6h, 12h], history: 30d, schedule: "0 3 1 1 *"}
"""
RULE = """
apiVersion: gemelo.dev/v1alpha1
kind: Detector
metadata: {name: odd}
spec:
  inputs: {score: {property: temperature.anomaly}}
  initial: Calm
  states:
    Calm: {onInput: {transitions: [{when: "score > 3.5 || score < -3.5", to: Odd}]}}
    Odd: {}
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("learning")) as gateway:
        gateway.start()
        now = time.time_ns() // 1000
        past = [("default/room-1", "temperature", now - n * 60_000_000, 20.0 + n % 5 / 10) for n in range(1, 301)]
        past += [("default/room-2", "temperature", now - n * 60_000_000, 20.0) for n in range(1, 11)]
        begin = now // QUARTER - 110
        past += [
            ("default/line-1", "rate", (begin + n) * QUARTER, 50.0 + 40.0 * (n % 4 == 2) + n % 3) for n in range(110)
        ]
        status, told = gateway.ask("POST", "/api/v1/points", {"points": past})
        assert status == 200, told
        yield gateway


def call(gateway: Gateway, *words: str) -> Any:
    done = invoke(*words, "-o", "json", GEMELO_URL=gateway.url)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def standing(gateway: Gateway, name: str) -> dict[str, Any]:
    return next(view for view in gateway.ask("GET", "/api/v1/learning")[1] if view["id"] == name)


def learned(gateway: Gateway, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        view = standing(gateway, name)
        return view if view["state"] == "learned" else None

    return until(look, 30, lambda: str(standing(gateway, name)))


def report(gateway: Gateway, value: str) -> None:
    async def speak() -> None:
        async with Sensor(gateway.broker(), "room-1") as room:
            await room.tell(temperature=value)

    asyncio.run(speak())


def test_a_point_gets_its_score_and_a_rule_acts_on_it(gateway: Gateway) -> None:
    gateway.apply(BASELINE)
    gateway.apply(RULE)
    view = learned(gateway, "default/usual")
    assert (view["series"], view["little"]) == (1, 1)
    assert "room-2/temperature: 10 points, 50 are needed" in view["reason"]
    (lesson,) = call(gateway, "learn", "show", "baseline", "usual")
    assert lesson["subject"] == "default/room-1/temperature"
    assert lesson["current"]["points"] == 300
    assert lesson["current"]["low"] < 20.0 < 20.4 < lesson["current"]["high"]
    report(gateway, "20.2")
    report(gateway, "35.0")
    until(lambda: any("odd" in str(e) for e in gateway.ask("GET", "/api/v1/rules")[1]))
    rows = gateway.rows(
        "SELECT property, value FROM points WHERE property LIKE 'temperature.%' ORDER BY time, seq, property"
    )
    names = [name for name, _ in rows]
    assert names.count("temperature.anomaly") == 2
    assert names.count("temperature.low") == names.count("temperature.high") == 1
    scores = sorted(value for name, value in rows if name == "temperature.anomaly")
    assert abs(scores[0]) < 1
    assert scores[1] > 50
    (rule,) = [each for each in gateway.ask("GET", "/api/v1/rules")[1] if each["name"] == "default/odd"]
    assert "Odd" in json.dumps(rule)


@needs_statsmodels
def test_a_forecast_is_made_tested_and_told_as_series(gateway: Gateway) -> None:
    gateway.apply(FORECAST)
    learned(gateway, "default/rate")
    made = call(gateway, "learn", "show", "forecast", "rate")
    assert {t["method"] for t in made["trials"]} >= {"last value", "same hour of yesterday", "holt-winters", "ar"}
    assert len(made["path"]) == 3
    assert made["path"][0]["low_95"] <= made["path"][0]["value"] <= made["path"][0]["high_95"]
    rows = gateway.rows("SELECT property, value FROM points WHERE property LIKE 'rate.forecast%' ORDER BY property")
    assert [name for name, _ in rows] == [
        f"rate.forecast.{lead}{side}" for lead in ("12h", "6h") for side in ("", ".high", ".low")
    ]
    assert dict(rows)["rate.forecast.6h"] == made["path"][1]["value"]


def test_get_and_describe_tell_how_it_stands(gateway: Gateway) -> None:
    learned(gateway, "default/usual")
    for words in (("get", "baselines"), ("get", "baselines", "-o", "wide"), ("describe", "baseline", "usual")):
        done = invoke(*words, GEMELO_URL=gateway.url)
        assert done.returncode == 0, done.stderr
        assert "learned" in done.stdout
        assert "room-2/temperature" in done.stdout
    for words in (("learn", "list"), ("learn", "show", "baseline", "usual")):
        done = invoke(*words, GEMELO_URL=gateway.url)
        assert (done.returncode, "default/" in done.stdout) == (0, True)
    with urllib.request.urlopen(f"{gateway.url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    assert "gemelo_learning_lessons" in text
    assert "gemelo_scores_scored_total" in text


def test_going_back_holds_and_what_was_learned_outlives_a_kill(gateway: Gateway) -> None:
    learned(gateway, "default/usual")
    now = time.time_ns() // 1000
    warmer = [("default/room-1", "temperature", now - n * 50_000_000, 22.0 + n % 5) for n in range(1, 301)]
    assert gateway.ask("POST", "/api/v1/points", {"points": warmer})[0] == 200
    (again,) = call(gateway, "learn", "fit", "baseline", "usual")
    assert again["current"]["number"] == 2
    assert again["previous"]["number"] == 1
    assert call(gateway, "learn", "back", "usual") == {"series": 1}
    gateway.signal(signal.SIGKILL)
    gateway.wait()
    gateway.start()
    (lesson,) = call(gateway, "learn", "show", "baseline", "usual")
    assert (lesson["current"]["number"], lesson["previous"]["number"], lesson["held"]) == (1, 2, True)
    report(gateway, "20.1")
    rows = gateway.rows("SELECT count(*) FROM points WHERE property = 'temperature.anomaly'")
    assert rows == [[3]]
    assert call(gateway, "learn", "list")[0]["state"] == "learned"


def test_nobody_learns_what_is_not_there(gateway: Gateway) -> None:
    done = invoke("learn", "fit", "baseline", "unusual", GEMELO_URL=gateway.url)
    assert done.returncode == 1
    assert "there is no Baseline default/unusual" in done.stderr


def test_what_was_learned_goes_with_its_manifest(gateway: Gateway) -> None:
    status, _ = gateway.ask("DELETE", "/api/v1/manifests/Baseline/default/usual")
    assert status == 204
    report(gateway, "20.0")
    assert gateway.rows("SELECT count(*) FROM points WHERE property = 'temperature.anomaly'") == [[3]]
    assert gateway.is_calm(), gateway.output
