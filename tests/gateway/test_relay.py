"""What the relay takes of a message, and what it leaves to the others who hear the same topics."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pytest

from devices.telemetry.grants import Topics
from gateway.relay import Relay
from tests.clock import in_virtual_time
from tests.gateway.stage import Stage
from twins.errors import Rejected
from twins.exchange import OutboxRow
from twins.stimuli import Queued, Stimulus


class Mappings:
    """The others: bytes on one topic are the reports of a device."""

    filters = frozenset({"plant/d1"})

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def read(
        self, topic: str, payload: bytes, cause: str, seen: int, *, packet: int = 0, duplicate: bool = False
    ) -> Sequence[Stimulus]:
        if topic not in self.filters:
            raise Rejected("no mapping")
        return [self._stage.update(level=str(payload[0]))]

    def commands(self, device: str, values: Mapping[str, str]) -> Sequence[tuple[str, bytes]]:
        return ()

    def granted(self, device: str, reserved: Collection[str] = ()) -> Topics:
        return Topics()


def relay() -> Relay:
    """One to which rules of the cloud have said which topics they want."""
    stage = Stage()
    one = Relay(Mappings(stage), stage.core, stage.clock, stage.next_cause)
    one.open(1 << 20)
    one.restore([OutboxRow(f"topic:{topic}", "topic", "", 0, b"") for topic in ("plant/d1", "t1")])
    return one


@in_virtual_time
async def test_a_message_is_what_it_is_to_the_others_and_goes_up_too() -> None:
    one = relay()
    update, queued = one.read("plant/d1", b"A", "test:1:1", 5)
    assert update.device == "default/d1"
    assert isinstance(queued, Queued)


@in_virtual_time
async def test_bytes_that_no_rule_can_carry_are_all_the_same_what_they_are_to_the_others() -> None:
    """A rule in the cloud must not take a device from the edge."""
    one = relay()
    (update,) = one.read("plant/d1", b"\xff\x00", "test:1:1", 5)
    assert update.device == "default/d1"
    assert one.counts.refused == 1
    with pytest.raises(Rejected, match="has to be UTF-8"):
        one.read("t1", b"\xff\x00", "test:1:2", 5)
