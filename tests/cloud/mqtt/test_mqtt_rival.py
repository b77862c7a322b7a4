from __future__ import annotations

from cloud.mqtt.events import Presence
from cloud.mqtt.rival import MEMORY, Rival
from tests.clock import VirtualClock, in_virtual_time


@in_virtual_time
async def test_two_births_of_others_within_a_minute_are_a_second_node_and_it_is_forgotten_after_a_minute() -> None:
    clock = VirtualClock()
    rival = Rival("edge-1", clock)
    assert not rival.saw(Presence(online=True, since=1, run="b"))
    assert not rival.suspected
    await clock.sleep(5.0)
    assert rival.saw(Presence(online=True, since=2, run="b"))
    assert rival.suspected
    await clock.sleep(MEMORY)
    assert not rival.suspected


@in_virtual_time
async def test_what_a_broker_shows_of_our_last_run_after_a_crash_of_its_own_is_no_second_node() -> None:
    clock = VirtualClock()
    rival = Rival("edge-1", clock)
    for _ in range(3):
        assert not rival.saw(Presence(online=True, since=1, run="b"))
    await clock.sleep(MEMORY)
    assert not rival.saw(Presence(online=True, since=2, run="c"))
