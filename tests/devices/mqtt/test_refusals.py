"""Refused telemetry is told to people: at once the first time, then once a minute."""

from __future__ import annotations

import asyncio

import pytest

from devices.mqtt.refusals import PERIOD, TOPICS, Refusals
from tests.clock import VirtualClock, in_virtual_time
from twins.exchange import Event


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "devices.mqtt.refusals"]


@in_virtual_time
async def test_the_first_of_a_topic_is_told_at_once_and_all_others_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[Event] = []
    refusals = Refusals(VirtualClock(), heard.append)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(refusals.run())
        for _ in range(1000):
            refusals.add("gemelo/telemetry/default/d1", "body", "is no JSON")
        refusals.add("gemelo/telemetry/d2", "topic", "names no device")
        refusals.add("gemelo/telemetry/d2", "topic", "names no device")
        assert lines(caplog) == [
            "telemetry on 'gemelo/telemetry/default/d1' is refused: is no JSON",
            "telemetry on 'gemelo/telemetry/d2' is refused: names no device",
        ]
        assert [(event.object, event.severity) for event in heard] == [
            ("'gemelo/telemetry/default/d1'", "warning"),
            ("'gemelo/telemetry/d2'", "warning"),
        ]
        assert len({event.id for event in heard}) == 2
        await asyncio.sleep(PERIOD * 10 + 1)
        assert lines(caplog)[2:] == [
            "1000 more messages of telemetry refused (999 by body, 1 by topic); "
            "the last on 'gemelo/telemetry/d2': names no device"
        ]
        refusals.add("gemelo/telemetry/d2", "topic", "names no device")
        await asyncio.sleep(0)
        running.cancel()
    assert lines(caplog)[3].startswith("1 more messages"), "what is left is told at the end"


async def test_topics_without_end_neither_fill_the_memory_nor_the_log(caplog: pytest.LogCaptureFixture) -> None:
    refusals = Refusals(VirtualClock())
    for number in range(10 * TOPICS):
        refusals.add(f"gemelo/telemetry/default/{number}/" + "x" * 60_000, "topic", "y" * 60_000)
    assert len(lines(caplog)) == TOPICS
    assert max(map(len, lines(caplog))) < 500
    assert refusals.counts.topic == 10 * TOPICS


async def test_a_topic_cannot_write_lines_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    Refusals(VirtualClock()).add("gemelo/telemetry/a\n12:00:00 INFO all is well\x1b[2J", "topic", "names no device")
    (line,) = lines(caplog)
    assert line.isprintable()
