"""`gemelo rule replay` against a real gateway, on points that devices brought."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.commands.rule import history
from tests.gateway.process import Gateway, Sensor, gemelo, invoke, until

RULE = """
apiVersion: gemelo.dev/v1alpha1
kind: Detector
metadata: {name: watch}
spec:
  inputs:
    heat: {device: "oven-*", property: heat}
    mode: {device: "oven-*", property: mode, type: string}
    state: {device: "oven-*", property: $state, type: string}
  variables: {limit: 50, seen: 0}
  initial: Calm
  states:
    Calm:
      onInput:
        events:
          - {name: count, when: heat > 20.0 && input == "heat", do: [{assign: {seen: seen + 1.0}}]}
        transitions:
          - name: hot
            to: Hot
            when: heat > limit && (!known("mode") || mode != "off")
            do: [{alert: {message: "hot ${heat} after ${seen}"}}]
          - name: lost
            to: Calm
            when: input == "state" && state == "offline"
            do: [{alert: {message: "lost at ${seen}"}}]
    Hot:
      onEnter: {events: [{name: rest, do: [{timer: {name: rest, after: 50ms}}]}]}
      onInput:
        transitions:
          - name: rested
            to: Calm
            when: timeout("rest")
            do: [{alert: {message: "calm again, ${mode} ${state}"}}]
"""
ALERTS = "SELECT object, message FROM events WHERE kind = 'alert' ORDER BY time"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """It has watched two ovens under the rule, and was killed in between."""
    with Gateway(tmp_path_factory.mktemp("gateway")) as gateway:
        gateway.start()
        gateway.apply(RULE)
        asyncio.run(lived(gateway, seed=1))
        gateway.signal(signal.SIGKILL)
        gateway.wait()
        gateway.start()
        asyncio.run(lived(gateway, seed=2))
        yield gateway
        assert gateway.is_calm()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "watch.yaml"
    path.write_text(RULE, "utf-8")
    return path


async def lived(gateway: Gateway, seed: int) -> None:
    """Two ovens report; after what makes a timer its decision is waited for, so that none is near another input."""
    chance = random.Random(seed)
    port = gateway.broker()
    async with Sensor(port, "oven-1") as one, Sensor(port, "oven-2") as two:
        for _ in range(25):
            sensor = chance.choice((one, two))
            match chance.randrange(5):
                case 0:
                    await sensor.tell(mode=chance.choice(("on", "off", "auto")))
                case 1:
                    body = {"event_id": f"s-{time.time_ns()}", "timestamp": time.time_ns() // 1_000_000}
                    await sensor.send(body | {"state": chance.choice(("online", "offline"))}, "state/update")
                case _:
                    await sensor.tell(heat=str(chance.randrange(0, 80)))
            await asyncio.to_thread(until, lambda: calm(gateway), 30.0, lambda: gateway.output)


def calm(gateway: Gateway) -> bool:
    """Whether each decision to rest was followed by its end."""
    told = [
        event["message"].split()[0] for event in gateway.ask("GET", "/api/v1/events")[1] if event["kind"] == "alert"
    ]
    return told.count("hot") == told.count("calm")


def replayed(gateway: Gateway, *words: str | Path) -> dict[str, Any]:
    done = invoke("rule", "replay", *map(str, words), "--json", "--url", gateway.url)
    assert done.returncode in {0, 1}, done.stderr
    return dict(json.loads(done.stdout))


def alerts(said: dict[str, Any], side: str) -> list[list[str]]:
    decided = [pair[side] for pair in said["decisions"] if pair[side] is not None]
    return [
        [action["alert"]["device"], action["alert"]["message"]]
        for each in decided
        for action in each["actions"]
        if "alert" in action
    ]


def of(device: str, told: list[list[str]]) -> list[list[str]]:
    return [each for each in told if each[0] == device]


def test_the_rule_as_it_is_applied_decides_on_the_history_what_it_has_decided(gateway: Gateway, file: Path) -> None:
    said = replayed(gateway, file, "--from", "-1h", "--all")
    made = gateway.rows(ALERTS)
    assert len(made) > 10
    for device in ("default/oven-1", "default/oven-2"):
        assert of(device, alerts(said, "old")) == of(device, made)
    assert {message.split()[0] for _, message in made} == {"hot", "calm", "lost"}
    counts = said["counts"]
    assert counts["same"] == counts["old"] == counts["new"] == len(said["decisions"])


def test_a_new_version_is_compared_with_the_applied_one_and_only_differences_are_shown(
    gateway: Gateway, file: Path
) -> None:
    file.write_text(RULE.replace("limit: 50", "limit: 70"), "utf-8")
    done = gemelo("rule", "replay", str(file), "--from", "-1h", "--url", gateway.url)
    assert (done.returncode, done.stderr) == (1, "")
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["TIME", "INSTANCE", "TRIGGER", "OLD", "NEW"]
    hot = [row for row in rows if "Calm → Hot (count, hot, rest); alert (alert): hot" in row]
    assert any(row.endswith("  Calm (count)") for row in hot)
    assert any("timer rest" in row and row.endswith("  -") for row in rows)
    said = replayed(gateway, file, "--from", "-1h")
    counts = said["counts"]
    assert not any(pair["same"] for pair in said["decisions"])
    assert len(said["decisions"]) == counts["changed"] + counts["only_old"] + counts["only_new"] > 0
    assert counts["old"] == counts["same"] + counts["changed"] + counts["only_old"]
    assert counts["new"] == counts["same"] + counts["changed"] + counts["only_new"]
    assert f"{counts['old']} decisions of the old version, {counts['new']} of the new" in done.stdout
    assert len(replayed(gateway, file, "--limit", "1")["decisions"]) == 1


def test_two_files_are_compared_and_one_alone_is_told_in_full(gateway: Gateway, file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(RULE.replace("name: watch", "name: other"), "utf-8")
    assert replayed(gateway, other, "--against", file)["counts"]["only_new"] == 0
    said = replayed(gateway, other)
    assert said["compared"] is False
    assert said["counts"]["new"] == len(said["decisions"]) > 0
    told = invoke("rule", "replay", str(other), "--url", gateway.url)
    assert told.returncode == 0
    assert "nothing of this name is applied to compare them with" in told.stdout


def test_one_device_and_a_part_of_the_time_can_be_chosen(gateway: Gateway, file: Path) -> None:
    whole = replayed(gateway, file, "--all")
    one = replayed(gateway, file, "--all", "--device", "oven-1")
    assert one["decisions"] == [pair for pair in whole["decisions"] if pair["instance"] == "default/oven-1"]
    middle = whole["decisions"][len(whole["decisions"]) // 2]["time"]
    late = replayed(gateway, file, "--all", "--from", middle, "--warm", "1h")
    assert late["decisions"] == [pair for pair in whole["decisions"] if pair["time"] >= middle]
    cold = replayed(gateway, file, "--all", "--from", middle)
    assert cold["counts"]["facts"] < late["counts"]["facts"] == whole["counts"]["facts"]
    assert replayed(gateway, file, "--to", "-30m")["counts"]["facts"] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--from", "soon"], "--from soon: write 2026-11-21T10:00"),
        (["--from", "-1h", "--to", "-2h"], "--from has to be before --to"),
        (["--warm", "long"], "--warm long: write"),
        (["--against", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["--zone", "Mars"], "IANA"),
    ],
)
def test_words_that_make_no_sense_are_refused(gateway: Gateway, file: Path, words: list[str], told: str) -> None:
    done = invoke("rule", "replay", str(file), *words, "--url", gateway.url)
    assert done.returncode == 1
    assert told in done.stderr


def test_a_rule_with_faults_is_refused_with_them(gateway: Gateway, file: Path) -> None:
    file.write_text(RULE.replace("heat > limit", "heat > limt"), "utf-8")
    done = invoke("rule", "replay", str(file), "--url", gateway.url)
    assert done.returncode == 1
    assert "did you mean limit?" in done.stderr


def test_without_a_gateway_there_is_no_history(file: Path) -> None:
    assert invoke("rule", "replay", str(file), "--url", "http://127.0.0.1:1").returncode == 3


def test_the_history_is_the_same_in_however_many_parts_it_comes(
    gateway: Gateway, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = replayed(gateway, file, "--from", "-10m", "--all")
    monkeypatch.setattr(history, "FIRST", 1_000)
    assert replayed(gateway, file, "--from", "-10m", "--all")["decisions"] == whole["decisions"]
    monkeypatch.setattr(history, "PAGE", 7)
    monkeypatch.setattr(history, "FIRST", 60_000_000)
    assert replayed(gateway, file, "--from", "-10m", "--all")["decisions"] == whole["decisions"]


def test_more_points_at_one_time_than_one_answer_holds_are_refused(
    gateway: Gateway, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [[f"default/oven-{n}", "heat", 1_700_000_000_000_000, 1.0] for n in range(10, 20)]
    assert gateway.ask("POST", "/api/v1/points", {"points": points})[0] == 200
    monkeypatch.setattr(history, "PAGE", 7)
    span = ["--from", "2023-11-14T22:00:00Z", "--to", "2023-11-14T23:00:00Z"]
    done = invoke("rule", "replay", str(file), *span, "--url", gateway.url)
    assert (done.returncode, "name one --device" in done.stderr) == (1, True)
    done = invoke("rule", "replay", str(file), *span, "--device", "oven-1?", "--url", gateway.url)
    assert "name one --device" in done.stderr
    done = invoke("rule", "replay", str(file), *span, "--device", "oven-12", "--url", gateway.url)
    assert done.stdout.startswith("1 fact from 2023-11-14T22:00:00.000Z")
