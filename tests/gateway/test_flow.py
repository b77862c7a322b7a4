"""Queries and pipelines within the sequencer: one commit with their input, timers, rules, restarts, refusals."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from gateway.operations import Operations
from gateway.pseudonyms import FILE, Pseudonyms
from rules.instructions import Command
from streams.streams import Streams
from tests.clock import in_virtual_time
from tests.gateway.stage import Stage, body, rule, values
from twins.errors import Rejected, Unavailable
from twins.exchange import Point
from twins.stimuli import Applied, Left, Recorded


def manifest(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "gemelo.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"from": [{"property": "t"}]} | spec,
    }


def query(name: str = "q", **spec: Any) -> dict[str, Any]:
    return manifest("Query", name, **{"window": {"count": {"size": 2}}, "aggregates": ["mean"]} | spec)


def pipeline(*steps: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return manifest("Pipeline", "p", steps=list(steps), **spec)


def numbers(points: list[Point]) -> dict[str, float | None]:
    return {p.series: p.number for p in points if not p.series.endswith("$state")}


@in_virtual_time
async def test_a_result_is_in_the_commit_of_the_point_that_led_to_it_and_so_is_the_rules_answer() -> None:
    stage = Stage()
    go = {"when": "m > 3.0", "do": [{"set": {"device": "fan-1", "property": "fan", "value": '"on"'}}]}
    looks = rule(inputs={"m": {"property": "t.q.mean"}}, states={"A": {"onInput": {"events": [go]}}})
    async with stage.running():
        await stage.registry.apply(query(), "test")
        await stage.registry.apply(looks, "test")
        await stage.report("default/fan-1", fan="off")
        await stage.report(t="2")
        await stage.clock.sleep(1)
        await stage.report(t="6")
        assert numbers(values(stage.batch)) == {"default/d1/t": 6.0, "default/d1/t.q.mean": 4.0}
        assert [key.partition("/")[0] for key in stage.batch.streams] == ["query:default"]
        assert "default/fan-1" in stage.batch.twins
        (command,) = [d for d in stage.told[-1].decisions if isinstance(d, Command)]
        (said,) = [i for i in stage.told[-1].said if getattr(i, "device", "") == "default/d1"]
        assert command.cause == said.cause


@in_virtual_time
async def test_what_was_not_committed_is_not_counted_after_a_restart() -> None:
    stage = Stage()
    async with stage.running():
        await stage.registry.apply(query(window={"count": {"size": 3}}), "test")
        await stage.report(t="1")
        await stage.clock.sleep(1)
        await stage.report(t="2")
        stage.disk.held = True
        await stage.core.offer((stage.update(t="100"),))
        await stage.clock.sleep(1)
        stage.disk.held = False
    found = stage.disk.found()
    again = Stage(stage.disk)
    again.registry.restore(found.manifests)
    held = [m for _, m in again.registry.of("Query")]
    assert again.streams.restore(held, found.streams, again.clock.now()) == []
    again.core.resume([])
    async with again.running():
        await again.clock.sleep(5)
        await again.report(t="3")
        assert numbers(again.batch.points)["default/d1/t.q.mean"] == 2.0


@in_virtual_time
async def test_a_window_of_a_silent_device_is_told_by_a_timer_that_outlives_a_restart() -> None:
    stage = Stage()
    async with stage.running():
        await stage.registry.apply(query(window={"tumbling": "10s"}, aggregates=["n"], idle="30s"), "test")
        await stage.report(t="1")
        assert stage.batch.timers.keys() == {"query:default/q"}
    found = stage.disk.found()
    again = Stage(stage.disk)
    again.registry.restore(found.manifests)
    again.timers.restore(found.timers)
    assert again.rules.restore(found.rules, found.timers) == []
    again.streams.restore([m for _, m in again.registry.of("Query")], found.streams, again.clock.now())
    again.core.resume([])
    async with again.running():
        await again.clock.sleep(60)
        series = [p.series for batch in again.disk.batches for p in values(batch)]
        assert series == ["default/d1/t", "default/d1/t.q.n"]
        assert len(again.timers) == 0


@in_virtual_time
async def test_a_pipeline_stands_between_device_and_history_and_leaves_the_twin_alone() -> None:
    stage = Stage()
    async with stage.running():
        await stage.registry.apply(pipeline({"redact": {"method": "mask"}}), "test")
        await stage.report(t="secret", u="open")
        assert [(p.series, p.text) for p in values(stage.batch)] == [
            ("default/d1/t", "******"),
            ("default/d1/u", "open"),
        ]
        twin = stage.twins.get("default/d1")
        assert twin is not None
        assert twin.properties["t"].reported.value == "secret"  # type: ignore[union-attr]


@in_virtual_time
async def test_points_of_the_past_pass_too() -> None:
    stage = Stage()
    async with stage.running():
        past = tuple(Point("default/d1/t", at, at, float(at), None) for at in (1, 2))
        await stage.registry.apply(query(), "test")
        await stage.core.ask(Recorded("", "test:1:1", stage.clock.now(), past))
        assert numbers(stage.batch.points) == {"default/d1/t": 2.0, "default/d1/t.q.mean": 1.5}


@in_virtual_time
async def test_each_query_and_pipeline_tells_what_became_of_points() -> None:
    stage = Stage()
    operations = Operations(stage.core, stage.registry, stage.clock, stage.next_cause)
    async with stage.running():
        await stage.registry.apply(query(), "test")
        await stage.registry.apply(pipeline({"clip": {"max": 5, "outside": "drop"}}), "test")
        for value in ("1", "9", "2"):
            await stage.clock.sleep(1)
            await stage.report(t=value)
        (asked,) = await operations.objects("Query")
        (offered,) = await operations.objects("Pipeline", "default/p")
        assert asked["status"].items() >= {"keys": 1, "taken": 2, "results": 1}.items()
        assert offered["status"] == {"offered": 3, "kept": 2, "changed": 0, "dropped": 1, "held": 0}
        counted = stage.streams.counts
        await stage.registry.delete("Query", "default/q")
        assert stage.streams.counts == counted
        assert stage.streams.standing("Query", "default/q") == {}
        await stage.registry.apply(offered, "test")
        assert stage.registry.body("Pipeline", "default/p") == pipeline({"clip": {"max": 5, "outside": "drop"}})


@in_virtual_time
async def test_what_is_refused_leaves_nothing() -> None:
    stage = Stage()
    async with stage.running():
        with pytest.raises(Rejected, match=r"spec\.from: there is no query default/nobody"):
            await stage.registry.apply(query(**{"from": [{"query": "nobody"}]}), "test")
        await stage.registry.apply(query("a"), "test")
        await stage.registry.apply(query("b", **{"from": [{"query": "a"}]}), "test")
        with pytest.raises(Rejected, match="default/b reads its results"):
            await stage.registry.delete("Query", "default/a")
        assert {name for _, name in stage.registry.manifests} == {"default/a", "default/b"}
        await stage.registry.delete("Query", "default/b")
        await stage.registry.delete("Query", "default/a")
    found = stage.disk.found()
    assert (found.streams, found.timers, found.manifests) == ({}, {}, {})


@in_virtual_time
async def test_a_device_that_leaves_takes_its_windows_along() -> None:
    stage = Stage()
    async with stage.running():
        await stage.registry.apply(query(), "test")
        await stage.report(t="1")
        assert stage.disk.found().streams
        await stage.core.ask(Left("default/d1", "test:1:9", stage.clock.now()))
        assert stage.disk.found().streams == {}


@in_virtual_time
async def test_without_a_key_no_pseudonyms_are_promised(tmp_path: Path) -> None:
    stage = Stage()
    (tmp_path / FILE).write_bytes(b"short")
    stage.streams = stage.core.streams = Streams(Pseudonyms(tmp_path))
    hashes = body(pipeline({"redact": {"method": "hash"}}))
    async with stage.running():
        outcome = await stage.core.ask(Applied("", "test:1:1", 0, "Pipeline", "default/p", hashes))
        assert outcome.code == 503
        assert "a key has 32 bytes, this file 5: bring the old one back" in (outcome.refused or "")


def test_the_key_of_pseudonyms_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    key = Pseudonyms(tmp_path)()
    assert len(key) == 32
    assert Pseudonyms(tmp_path)() == key
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    with pytest.raises(Unavailable, match="no key for pseudonyms: No such file"):
        Pseudonyms(tmp_path / "nowhere")()
