"""A gateway is killed while timers are pending: each rings once, at its time, or as its `late` says.

The oracle is the events that the gateway stored, by the times in them, and the moments of the kills.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import defaultdict
from pathlib import Path

import pytest

from tests.crowding import crowding
from tests.gateway.process import Gateway, Sensor, until

LATES = ("fire", "skip", "resume")
EACH = 12
"""Devices of each policy."""
LENGTHS = [round(0.4 + 0.45 * n, 2) for n in range(EACH)]
BEAT = 1.0
"""Seconds that a timer which resumes may count twice for each kill."""

RULE = """
apiVersion: gemelo.dev/v1alpha1
kind: Detector
metadata: {{name: {late}}}
spec:
  inputs: {{t: {{device: "{late}-*", property: t}}}}
  variables: {{rings: 0}}
  initial: A
  states:
    A:
      onInput:
        events:
          - when: input == "t"
            do:
              - timer: {{name: x, expression: t, late: {late}}}
              - alert: {{message: armed}}
          - when: timeout("x")
            do:
              - assign: {{rings: rings + 1.0}}
              - alert: {{message: rang}}
"""


async def arm(port: int) -> None:
    for late in LATES:
        for n, length in enumerate(LENGTHS):
            async with Sensor(port, f"{late}-{n}") as sensor:
                await sensor.report(t=str(length))


def told(gateway: Gateway) -> dict[str, dict[str, list[float]]]:
    """When each device was armed and rang, in seconds of the wall clock."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: {"armed": [], "rang": []})
    for event in gateway.ask("GET", "/api/v1/events?count=1000")[1] or []:
        if event["message"] in {"armed", "rang"}:
            found[event["object"].removeprefix("default/")][event["message"]].append(event["at"] / 1e6)
    return found


@pytest.mark.timeout(120)
def test_a_gateway_killed_with_timers_pending_rings_each_of_them_once_at_its_time(tmp_path: Path) -> None:
    chance = random.Random(7)
    downs: list[tuple[float, float, float]] = []  # killed, started, ready
    with Gateway(tmp_path).start() as gateway:
        for late in LATES:
            gateway.apply(RULE.format(late=late))
        asyncio.run(arm(gateway.broker()))
        assert until(lambda: sum(len(each["armed"]) for each in told(gateway).values()) == len(LATES) * EACH)
        for _ in range(2):
            time.sleep(chance.uniform(0.3, 1.2))  # random moments are what is tested
            killed = time.time()
            gateway.signal(signal.SIGKILL)
            gateway.wait()
            time.sleep(chance.uniform(0.2, 1.0))
            started = time.time()
            gateway.start()
            downs.append((killed, started, time.time()))
        # those that resume come last: their twins of the other policies are decided by then
        until(
            lambda: (
                sum(len(told(gateway)[f"{late}-{n}"]["rang"]) for late in ("fire", "resume") for n in range(EACH))
                >= 2 * EACH
            ),
            60.0,
        )
        found = told(gateway)
        assert gateway.is_calm(), gateway.output
    slack = 0.5 * crowding()
    for late in LATES:
        for n, length in enumerate(LENGTHS):
            (armed,), rang = found[f"{late}-{n}"]["armed"], found[f"{late}-{n}"]["rang"]
            due = armed + length
            meanwhile = [(k, s, r) for k, s, r in downs if armed < k]
            if late == "fire":
                (at,) = rang
                latest = max([due, *(ready for killed, _, ready in meanwhile if killed - slack <= due <= ready)])
                assert due - 0.01 <= at <= latest + slack, (n, at - due, downs)
            elif late == "skip":
                surely = [each for each in meanwhile if each[0] < due < each[1]]
                maybe = [each for each in meanwhile if each[0] - slack < due < each[2]]
                assert len(rang) <= (0 if surely else 1), (n, rang)
                assert rang or maybe, (n, due, downs)
                assert all(due - 0.01 <= at <= due + slack for at in rang if not maybe)
            else:
                (at,) = rang
                passed = [(k, s, r) for k, s, r in meanwhile if k < at]
                least = due + sum(started - killed for killed, started, _ in passed)
                most = due + sum(ready - killed + BEAT for killed, _, ready in passed)
                assert least - 0.01 <= at <= most + slack, (n, at - due, downs)
