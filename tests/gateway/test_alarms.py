"""One alarm's whole life in a real gateway with a real broker, killed in the middle of it."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from devices.mqtt.rights import password_line
from tests.gateway.process import Gateway, invoke, until
from tests.mosquitto import Mosquitto

ALARM = """
apiVersion: gemelo.dev/v1alpha1
kind: Alarm
metadata: {name: hot-boiler}
spec:
  inputs: {temperature: {device: "boiler-*", property: temperature}}
  condition: {input: temperature, operator: ">", threshold: 80, clearBelow: 75}
  message: "${device} has ${temperature} °C"
  severity: warning
  latch: true
  snooze: 1h
  repeat: 1h
  onRaise: [{set: {device: siren-1, property: sound, value: '"on"'}}]
"""
SIREN = """
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: siren-1}
"""
ID = "default/hot-boiler/default/boiler-1"
STATE = f"gemelo/alarms/state/{ID}"
HISTORY = """
SELECT json_extract_string(detail, '$.what'), json_extract_string(detail, '$.who'), severity FROM events
WHERE kind = 'alarm' AND object = 'default/hot-boiler/default/boiler-1' ORDER BY time
"""


class Broker:
    """A client of the gateway's broker, where anybody may do everything."""

    def __init__(self, gateway: Gateway, port: int = 0, **login: str) -> None:
        self._client = aiomqtt.Client("127.0.0.1", port or gateway.broker(), timeout=5, **login)  # type: ignore[arg-type]

    async def __aenter__(self) -> Broker:
        await self._client.__aenter__()
        await self._client.subscribe("gemelo/alarms/#", qos=1)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__(None, None, None)

    async def report(self, temperature: float, device: str = "boiler-1") -> None:
        body = json.dumps({"temperature": temperature})
        await self._client.publish(f"gemelo/telemetry/default/{device}", body, qos=1)

    async def say(self, place: str = ID, **body: Any) -> None:
        """Command it, and wait for nothing."""
        await self._client.publish(f"gemelo/alarms/command/{place}", json.dumps(body), qos=1)

    async def command(self, place: str = ID, **body: Any) -> dict[str, Any]:
        """Command it, and wait for what becomes of that."""
        await self.say(place, **body)
        return await self.hears(f"gemelo/alarms/result/{place}", lambda said: said["id"] == body["id"])

    async def hears(self, topic: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next message on a topic that is as wanted; an empty one is `{}`."""
        async with asyncio.timeout(15):
            async for message in self._client.messages:
                if message.topic.value == topic:
                    said = json.loads(bytes(message.payload) or b"{}")
                    if wanted(said):
                        return dict(said)
        raise AssertionError("the broker went away")

    @property
    def heard(self) -> list[Any]:
        """What has come and was not waited for."""
        return [self._client._queue.get_nowait() for _ in range(self._client._queue.qsize())]

    async def stands(self, state: str) -> dict[str, Any]:
        """Wait until it is told that the alarm is in a state."""
        return await self.hears(STATE, lambda said: said.get("state", "") == state)


@pytest.fixture
def gateway(tmp_path: Path) -> Any:
    with Gateway(tmp_path).start() as gateway:
        gateway.apply(f"{SIREN}---{ALARM}")
        yield gateway


def killed(gateway: Gateway) -> None:
    """Kill it, and start it anew."""
    gateway.signal(signal.SIGKILL)
    gateway.wait()
    gateway.start()


def standing(gateway: Gateway) -> dict[str, Any]:
    return dict(gateway.ask("GET", "/api/v1/alarms")[1][0])


def post(gateway: Gateway, command: str, **body: Any) -> tuple[int, Any]:
    return gateway.ask("POST", f"/api/v1/alarms/{ID}/{command}", body or None)


async def test_an_alarm_is_raised_acknowledged_cleared_latched_and_reset_with_kills_in_between(gateway):
    async with Broker(gateway) as broker:
        await broker.report(90.5)
        raised = await broker.stands("Active")
        assert (raised["message"], raised["severity"]) == ("default/boiler-1 has 90.5 °C", "warning")
        assert raised["since"] == raised["raised"] == standing(gateway)["raised"] // 1000
        assert gateway.device("siren-1")["properties"]["sound"]["desired"] == "on"

    killed(gateway)
    async with Broker(gateway) as broker:
        assert (await broker.stands("Active"))["raised"] == raised["raised"], "who comes late is told how it stands"
        assert post(gateway, "reset-all")[0] == 404
        status, told = post(gateway, "acknowledge", who="anna", note="I look at it")
        assert status == 200, told
        said = await broker.stands("Acknowledged")
        assert (said["who"], said["note"]) == ("anna", "I look at it")
        status, told = post(gateway, "acknowledge")
        assert (status, told["detail"]) == (409, "default/hot-boiler: can't acknowledge: it is acknowledged already")

    killed(gateway)
    async with Broker(gateway) as broker:
        assert (await broker.stands("Acknowledged"))["who"] == "anna"
        await broker.report(74.9)
        await broker.stands("Latched")
        answer = await broker.command(command="acknowledge", id="1")
        assert answer["code"] == 409
        assert "reset it" in answer["reason"]

    killed(gateway)
    async with Broker(gateway) as broker:
        await broker.stands("Latched")
        answer = await broker.command(command="reset", who="otto", id="2")
        assert answer["cause"].startswith("alarm:")
        await broker.stands("Normal")
    whats = [["raised", "", "warning"], ["acknowledged", "anna", "info"], ["cleared", "anna", "info"]]
    assert gateway.rows(HISTORY) == [*whats, ["reset", "otto", "info"]]
    assert gateway.is_calm()


async def test_a_snooze_goes_on_after_a_kill_and_ends_when_it_would_have(gateway):
    async with Broker(gateway) as broker:
        await broker.report(90)
        await broker.stands("Active")
        assert post(gateway, "snooze", **{"for": "3s"})[0] == 200
        before = await broker.stands("SnoozeDisabled")
        assert standing(gateway)["until"] // 1000 == before["until"]
    killed(gateway)
    async with Broker(gateway) as broker:
        again = await broker.stands("Active")
        assert again["since"] >= before["until"]


async def test_the_command_line_lists_alarms_and_commands_them(gateway):
    url = {"GEMELO_URL": gateway.url}
    async with Broker(gateway) as broker:
        await broker.report(20, "boiler-2")
        await broker.report(90)
        await broker.stands("Active")

        def run(*words: str) -> str:
            done = invoke("alarm", *words, **url)
            return done.stdout + done.stderr

        assert "boiler-2" not in (listed := await asyncio.to_thread(run, "list"))
        assert "default/hot-boiler  default/boiler-1  Active  warning" in listed
        assert "default/boiler-2  Normal" in await asyncio.to_thread(run, "list", "--all")
        done = await asyncio.to_thread(run, "ack", "hot-boiler", "boiler-1", "--who", "anna", "--note", "seen")
        assert "hot-boiler of default/boiler-1: acknowledge done" in done
        assert (await broker.stands("Acknowledged"))["who"] == "anna"
        assert "acknowledged already" in await asyncio.to_thread(run, "ack", "hot-boiler", "boiler-1")
        assert "no alarm default/cold-boiler" in await asyncio.to_thread(run, "ack", "cold-boiler", "boiler-1")
        for verb, state in (("snooze", "SnoozeDisabled"), ("disable", "Disabled"), ("enable", "Active")):
            await asyncio.to_thread(run, verb, "hot-boiler", "boiler-1")
            await broker.stands(state)
        assert "warning" in await asyncio.to_thread(run, "list", "--state", "Active", "-o", "wide")
        manifests = await asyncio.to_thread(invoke, "get", "alarms", **url)
        assert "default/hot-boiler  temperature > 80" in manifests.stdout


async def test_an_alarm_that_is_deleted_is_told_no_more_and_a_bad_command_says_why(gateway):
    async with Broker(gateway) as broker:
        await broker.report(90)
        await broker.stands("Active")
        bad = await broker.command(command="explode", id="1")
        assert (bad["code"], "no command to an alarm" in bad["reason"]) == (404, True)
        assert (await broker.command(command="snooze", id="2", **{"for": "soon"}))["code"] == 400
        assert (await broker.command("default/hot-boiler/default/none", command="reset", id="3"))["code"] == 404
        assert gateway.ask("DELETE", "/api/v1/manifests/Alarm/default/hot-boiler")[0] in (200, 204)
        assert await broker.stands("") == {}
        assert until(lambda: gateway.ask("GET", "/api/v1/alarms")[1] == [])


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_what_happened_while_the_broker_was_away_is_told_when_it_is_back(tmp_path: Path, protocol: str) -> None:
    broker = Mosquitto(tmp_path / "broker").start()
    section = f'url = "mqtt://127.0.0.1:{broker.port}"\nprotocol = "{protocol}"'
    with Gateway(tmp_path, broker=section).start() as gateway:
        try:
            gateway.apply(f"{SIREN}---{ALARM}")
            async with Broker(gateway, broker.port) as client:
                await client.report(90)
                await client.stands("Active")
            broker.kill()  # it had written nothing down: the retained state is gone
            gateway.complains("no broker at")
            assert post(gateway, "acknowledge", who="anna")[0] == 200
            broker.start()
            async with Broker(gateway, broker.port) as client:
                assert (await client.stands("Acknowledged"))["who"] == "anna"
                assert (await client.command(command="reset", id="1"))["cause"]
        finally:
            broker.stop()


def test_at_a_broker_with_rights_only_who_may_commands_and_reads(tmp_path: Path) -> None:
    (tmp_path / "users").write_text(password_line("app", "secret", b"salt" * 3) + "\n")
    (tmp_path / "rights").write_text("user app\ntopic read gemelo/alarms/#\ntopic write gemelo/alarms/command/#\n")
    closed = 'listen = "127.0.0.1:0"\nusers_file = "users"\nrights_file = "rights"'
    with Gateway(tmp_path, broker=closed).start() as gateway:
        gateway.apply(f"{SIREN}---{ALARM}")
        status, device = gateway.ask("POST", "/api/v1/credentials", {"device": "default/boiler-1", "means": "password"})
        assert status == 200, device

        async def life() -> None:
            login = {"username": device["user"], "password": device["password"]}
            async with Broker(gateway, username="app", password="secret") as app, Broker(gateway, **login) as boiler:
                await boiler.report(90)
                await app.stands("Active")
                await boiler.say(command="acknowledge", who="the boiler itself")
                await boiler.report(91)  # both have come when this one has
                assert until(lambda: gateway.reported("boiler-1", "temperature") == "91")
                assert standing(gateway)["state"] == "Active"
                assert "cause" in await app.command(command="acknowledge", id="1")
                assert boiler.heard == []

        asyncio.run(life())


BAD = [
    (("threshold: 80", 'threshold: 80, when: "true"'), "spec.condition: either input or when is needed"),
    (("clearBelow: 75", "clearBelow: 85"), "spec.condition.clearBelow: 85 is on the wrong side of the threshold 80"),
    (("${temperature}", "${temprature}"), "spec.message: 'temprature' is no input and no variable"),
    (("latch: true", "latch: sometimes"), "spec.latch"),
    (("value: '\"on\"'", "value: loud"), "spec.onRaise[0].set.value: 'loud' is no input"),
]


def test_a_bad_alarm_is_refused_with_the_path_of_its_own_field(gateway):
    for change, words in BAD:
        manifest = ALARM.replace("hot-boiler", "bad").replace(*change).encode()
        status, told = gateway.ask("POST", "/api/v1/manifests", manifest, "application/yaml")
        assert (status, words in told["detail"]) == (400, True), told
