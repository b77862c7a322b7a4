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
        print(site.asked("valve-1/open").stdout)
        raise AssertionError(json.dumps(told, indent=1))
