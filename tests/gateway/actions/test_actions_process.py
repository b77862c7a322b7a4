"""Actions of a gateway as people run it: with a real broker and a real web server that are away, and kills."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from store.records import reader
from tests.gateway.actions.hooks import Hooks
from tests.gateway.process import Gateway, Sensor, invoke, until
from tests.gateway.stage import rule
from tests.mosquitto import Mosquitto


def doing(*actions: dict[str, Any], name: str = "rule", when: str = "t > 5.0") -> dict[str, Any]:
    return rule(name, states={"A": {"onInput": {"events": [{"name": "go", "when": when, "do": list(actions)}]}}})


def apply(gateway: Gateway, *manifests: dict[str, Any]) -> None:
    for manifest in manifests:
        gateway.apply(json.dumps(manifest))


def messages(gateway: Gateway) -> list[str]:
    """What people were told of actions."""
    found = gateway.ask("GET", "/api/v1/events")[1]
    return [event["message"] for event in found if event["kind"] == "action"]


def records(gateway: Gateway) -> list[dict[str, str]]:
    """What came of each action, as it is on disk."""
    with closing(reader(gateway.folder / "data" / "state.db")) as database:
        rows = database.execute("SELECT detail FROM events WHERE kind = 'action' ORDER BY rowid").fetchall()
    return [said for (text,) in rows if "outcome" in (said := json.loads(text))]


async def hear(port: int, topic: str, count: int, ready: asyncio.Event) -> Counter[str]:
    """The ids of so many different messages, and how often each came."""
    heard: Counter[str] = Counter()
    async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe(topic, qos=1)
        ready.set()
        async with asyncio.timeout(20):
            async for message in client.messages:
                heard[dict(message.properties.UserProperty)["id"]] += 1  # type: ignore[union-attr]
                if len(heard) == count:
                    break
    return heard


async def test_a_rule_publishes_and_each_message_has_an_id_and_a_record(tmp_path: Path) -> None:
    lamp = {"publish": {"topic": "lamp/${device}", "payload": "on ${t}", "retain": True}}
    with Gateway(tmp_path).start() as gateway:
        apply(gateway, doing(lamp))
        port, ready = gateway.broker(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            heard = group.create_task(hear(port, "lamp/#", 3, ready))
            await ready.wait()
            async with Sensor(port, "d1") as sensor:
                for value in ("6", "7", "8"):
                    await sensor.tell(t=value)
        assert set(heard.result().values()) == {1}
        done = until(lambda: d if len(d := records(gateway)) == 3 else [], what=lambda: gateway.output)
        assert {each["id"] for each in done} == heard.result().keys()
        assert {(e["instance"], e["action"], e["outcome"]) for e in done} == {
            ("default/d1", "publish on lamp/default/d1", "done")
        }
        assert messages(gateway) == ["publish on lamp/default/d1 for default/d1: done"] * 3
        told = await asyncio.to_thread(invoke, "events", GEMELO_URL=gateway.url)
        assert "publish on lamp/default/d1 for default/d1: done" in " ".join(told.stdout.split())
        why = await asyncio.to_thread(invoke, "why", f"{done[0]['id']}:done", GEMELO_URL=gateway.url)
        assert "publish on lamp/default/d1 (done)" in why.stdout, why.stderr
        async with aiomqtt.Client("127.0.0.1", port) as late:
            await late.subscribe("lamp/#")
            async with asyncio.timeout(10):
                kept = await anext(aiter(late.messages))
        assert (kept.payload, kept.retain) == (b"on 8", True)
        assert gateway.is_calm()


async def test_a_message_for_a_broker_that_is_away_outlives_a_kill_and_comes_when_it_is_back(tmp_path: Path) -> None:
    later = {"timer": {"name": "later", "after": "700ms"}}
    states = {
        "A": {
            "onInput": {
                "events": [
                    {"when": "!timeout('later')", "do": [later]},
                    {"when": "timeout('later')", "do": [{"publish": {"topic": "siren", "payload": "x"}}]},
                ]
            }
        }
    }
    with Mosquitto(tmp_path / "broker") as broker:
        gateway = Gateway(tmp_path, broker=f'url = "mqtt://127.0.0.1:{broker.port}"')
        with gateway.start():
            apply(gateway, rule(states=states))
            async with Sensor(broker.port, "d1") as sensor:
                await sensor.tell(t="1")
            broker.stop()
            until(lambda: any("broker is away" in each for each in messages(gateway)), what=lambda: gateway.output)
            gateway.signal(signal.SIGKILL)
            gateway.wait()
            broker.start()
            ready = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                heard = group.create_task(hear(broker.port, "siren", 1, ready))
                await ready.wait()
                gateway.start()
            assert list(heard.result().values()) == [1]
            done = until(lambda: records(gateway), what=lambda: gateway.output)
            assert [each["outcome"] for each in done] == ["done"]
            assert {each["id"] for each in done} == heard.result().keys()


async def test_a_call_that_a_kill_interrupts_is_made_again_under_the_same_id_and_then_no_more(tmp_path: Path) -> None:
    with Hooks("slow") as hooks, Hooks() as others:
        gateway = Gateway(tmp_path)
        with gateway.start():
            apply(
                gateway,
                doing({"webhook": {"url": hooks.url}}),
                doing({"webhook": {"url": others.url}}, name="another"),
            )
            async with Sensor(gateway.broker(), "d1") as sensor:
                for value in ("6", "7", "8"):
                    await sensor.tell(t=value)
            until(lambda: hooks.calls and len(records(gateway)) == 3, what=lambda: gateway.output)
            assert len(hooks.calls) == 1, "the order of a target is kept: the next waits for the first"
            gateway.signal(signal.SIGKILL)
            gateway.wait()
            hooks.mood = "well"
            gateway.start()
            until(lambda: len(hooks.answered) == 3, what=lambda: gateway.output)
            assert hooks.calls[0].id == hooks.calls[1].id
            assert [json.loads(call.body)["values"]["t"] for call in hooks.answered] == [6, 7, 8]
            until(lambda: len(records(gateway)) == 6, what=lambda: gateway.output)
            gateway.signal(signal.SIGKILL)
            gateway.wait()
            gateway.start()
            async with Sensor(gateway.broker(), "d2") as sensor:
                await sensor.tell(t="9")
            until(lambda: len(hooks.answered) == len(others.answered) == 4, what=lambda: gateway.output)
            assert set(hooks.times.values()) == set(others.times.values()) == {1}
            assert gateway.is_calm()


@pytest.mark.parametrize("mood", ["broken", "cut"])
async def test_a_server_that_fails_is_called_again_until_it_answers(tmp_path: Path, mood: Any) -> None:
    with Hooks(mood) as hooks, Gateway(tmp_path).start() as gateway:
        apply(gateway, doing({"webhook": {"url": hooks.url}}))
        async with Sensor(gateway.broker(), "d1") as sensor:
            await sensor.tell(t="6")
        until(lambda: len(hooks.calls) >= 2, what=lambda: gateway.output)
        hooks.mood = "well"
        (done,) = until(lambda: records(gateway), what=lambda: gateway.output)
        assert (done["outcome"], done["why"], done["id"]) == ("done", "answered 204", hooks.calls[0].id)
        assert int(done["tries"]) == len(hooks.calls) >= 3
        assert {call.id for call in hooks.calls} == {done["id"]}
        assert len([each for each in messages(gateway) if "it is tried again" in each]) == 1


MANIFESTS = """
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: pump}
spec: {properties: [{name: speed, type: INT, accessMode: ReadWrite}]}
---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: pump-1}
spec:
  deviceModelRef: {name: pump}
  methods: [{name: run, propertyNames: [speed]}]
---
apiVersion: gemelo.dev/v1alpha1
kind: Channel
metadata: {name: night}
spec: {webhook: {url: URL}}
---
apiVersion: gemelo.dev/v1alpha1
kind: Upload
metadata: {name: lake}
spec:
  select: {series: ["default/d1/t"]}
  policy: {onDemand: {}}
  destination: {url: "file://FOLDER/away"}
"""


async def test_a_rule_calls_a_method_notifies_uploads_writes_and_says_what_came_of_it(tmp_path: Path) -> None:
    pytest.importorskip("obstore")
    with Hooks() as hooks, Gateway(tmp_path).start() as gateway:
        gateway.apply(MANIFESTS.replace("URL", hooks.url).replace("FOLDER", str(tmp_path)))
        apply(
            gateway,
            doing(
                {"call": {"device": "pump-1", "method": "run", "arguments": {"speed": "t * 2.0"}}},
                {"notify": {"channel": "night", "message": "${device} has ${t}"}},
                {"upload": {"name": "lake", "before": "1m"}},
                {"write": {"property": "heat", "value": "t"}},
                {"infer": {"camera": "none", "model": "persons"}},
                {"clip": {"camera": "none", "after": 0}},
            ),
        )
        port = gateway.broker()
        async with Sensor(port, "pump-1") as pump, Sensor(port, "d1") as sensor:
            await sensor.tell(t="6")
            delta = await pump.hear("delta")
        assert delta["twin"]["speed"]["expected"]["value"] == "12"
        query = "SELECT text FROM points WHERE device = 'rule' AND property = '$action'"
        until(lambda: len(gateway.rows(query)) == 6, 40, what=lambda: gateway.output)
        done = [json.loads(text) for (text,) in gateway.rows(query)]
        outcomes = {each["action"].split(" ")[0]: (each["outcome"], each.get("why", "")) for each in done}
        assert outcomes["call"] == ("done", "speed = 12")
        assert outcomes["notify"] == ("done", "answered 204")
        assert outcomes["upload"][0] == "done"
        assert outcomes["write"] == ("asked", "")
        assert outcomes["run"] == ("failed", "there is no picture of default/none")
        assert outcomes["keep"] == ("failed", "there are no pictures of default/none from then")
        assert json.loads(hooks.calls[0].body)["message"] == "default/d1 has 6"
        assert gateway.rows("SELECT value FROM points WHERE device = 'rule.d1' AND property = 'heat'") == [[6]]
        until(lambda: list((tmp_path / "away").rglob("*.parquet")), what=lambda: gateway.output)
        assert gateway.is_calm()
