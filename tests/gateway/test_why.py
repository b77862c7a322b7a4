"""Why a pump runs: the chain over two rules and a timer, asked after the gateway was killed, and its bounds."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.gateway.process import Gateway, Sensor, invoke, until

RULES = """
apiVersion: gemelo.dev/v1alpha1
kind: Detector
metadata: {name: overheat}
spec:
  inputs:
    temperature: {device: "thermometer-*", property: temperature}
  variables: {limit: 60}
  initial: Normal
  states:
    Normal:
      onInput:
        transitions:
          - {to: Hot, name: too-hot, when: temperature > limit, for: 400ms}
    Hot:
      onEnter:
        events:
          - name: cool
            do:
              - set: {device: pump-1, property: speed, value: "80.0"}
              - alert: {severity: warning, message: "${device} has ${temperature} °C"}
---
apiVersion: gemelo.dev/v1alpha1
kind: Detector
metadata: {name: flow}
spec:
  inputs:
    speed: {device: pump-1, property: speed}
  initial: Still
  states:
    Still:
      onInput:
        transitions:
          - to: Running
            name: runs
            when: speed >= 50.0
            do:
              - set: {device: valve-1, property: open, value: "true"}
    Running: {}
"""


class Site:
    """The rules above at a real gateway, and what its command line says."""

    def __init__(self, folder: Path) -> None:
        self.gateway = Gateway(folder)

    def kill(self) -> None:
        self.gateway.signal(signal.SIGKILL)
        self.gateway.wait()

    def report(self, device: str, **values: str) -> None:
        """A device says so, and is answered."""

        async def report() -> None:
            async with Sensor(self.gateway.broker(), device) as sensor:
                await sensor.tell(**values)

        asyncio.run(report())

    def why(self, event: str) -> dict[str, Any]:
        done = self.asked(event, "--json")
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def asked(self, *words: str) -> subprocess.CompletedProcess[str]:
        return invoke("why", *words, GEMELO_URL=self.gateway.url)

    def state(self, rule: str) -> str:
        found = {each["name"]: each["instances"] for each in self.gateway.ask("GET", "/api/v1/rules")[1]}
        return str(found[f"default/{rule}"][0]["state"]) if found.get(f"default/{rule}") else ""


def test_the_chain_over_two_rules_and_a_timer_is_told_after_a_kill(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.gateway as gateway:
        gateway.start().apply(RULES)
        site.report("pump-1", speed="0")
        site.report("valve-1", open="false")
        site.report("thermometer-1", temperature="81.5")
        site.kill()  # while the condition waits for its time
        gateway.start()
        assert until(lambda: site.state("overheat") == "Hot")
        site.report("thermometer-1", temperature="20")  # what it was then counts, not what it is now
        site.report("pump-1", speed="80")
        assert until(lambda: site.state("flow") == "Running")
        site.kill()
        gateway.start()
        told = site.why("valve-1/open")
        began, held, runs = told["steps"]
        assert [step["led_by"] for step in told["steps"]] == [-1, 0, 1]
        assert told["about"].startswith("default/valve-1/open = true, asked ")
        assert told["about"].endswith(" by rule default/flow")
        assert (began["source"], began["value"]) == ("default/thermometer-1/temperature", 81.5)
        assert began["topic"] == "$hw/events/device/default/thermometer-1/twin/update"
        for step in (began, held):
            (condition,) = step["conditions"]
            assert condition["values"] == {"temperature": 81.5, "limit": 60}
            assert (condition["text"], condition["holds"]) == ("temperature > limit: 81.5 > 60", True)
        assert (began["chosen"], held["chosen"], held["before"], held["after"]) == (
            "",
            "too-hot, cool",
            "Normal",
            "Hot",
        )
        assert began["cause"] == held["cause"] == "mqtt:1:3"
        asked, alert = held["effects"]
        assert (asked["target"], asked["value"], asked["became"]) == ("default/pump-1/speed", "80", "reported")
        assert (runs["source"], runs["value"], runs["cause"]) == ("default/pump-1/speed", 80, told["cause"])
        assert runs["effects"][0]["became"] == "not reported yet"
        whole = {key: value for key, value in told.items() if key not in {"about", "cause"}}
        for event in (alert["id"], "mqtt:1:3", "pump-1/speed", "default/pump-1/speed"):
            assert _unasked(site.why(event)) == _unasked(whole), event
        words = site.asked("valve-1/open").stdout
        assert "temperature > limit: 81.5 > 60 → true" in words
        assert "asked default/pump-1: speed = 80 (reported)" in words
        refusals = [site.asked(event) for event in ("mqtt:9:9", "thermometer-1/temperature", "nobody", "a/b/c/d")]
        assert [(done.returncode, done.stdout) for done in refusals] == [(1, "")] * 4
        rows = gateway.rows("SELECT rule, decision, before, after, cause FROM decisions WHERE before <> after")
        assert rows == [
            ["default/overheat", "too-hot, cool", "Normal", "Hot", "mqtt:1:3"],
            ["default/flow", "runs", "Still", "Running", told["cause"]],
        ]
        wide = invoke("get", "rules", "-o", "wide", GEMELO_URL=gateway.url).stdout.splitlines()
        titles = [
            "NAME",
            "STATES",
            "CONDITIONS",
            "EVALUATIONS",
            "DECISIONS",
            "WITHOUT",
            "VALUE",
            "DESCRIPTION",
            "REASON",
        ]
        assert wide[0].split() == titles
        rules = {rule["name"]: rule["instances"][0] for rule in gateway.ask("GET", "/api/v1/rules")[1]}
        assert "81.5 > 60" in rules["default/overheat"]["why"], "the page does not know the last decision any more"


def _unasked(told: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps, without which of them the question was about."""
    return [{key: value for key, value in step.items() if key != "asked"} for step in told["steps"]]
