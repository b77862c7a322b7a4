from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.mqtt.door import PIECE, ROOM, SOON, Done, MqttDoor
from devices.mqtt.link import LinkCounts, Message, Receive
from devices.telemetry.manifest import Mapping
from devices.telemetry.mappings import Mappings
from runtime.clock import Clock, SystemClock
from tests.clock import VirtualClock, in_virtual_time
from twins.exchange import Outcome
from twins.kubeedge import Reader, Writer
from twins.kubeedge.reader import BODY_LIMIT
from twins.schema import decode
from twins.stimuli import Refused, Stimulus, Updated
from twins.twin import Twins

UPDATE = "$hw/events/device/default/d1/twin/update"
BODY = b'{"event_id": "e1", "timestamp": 1, "twin": {"t": {"actual": {"value": "1"}}}}'


class Wire:
    """The far side of the door: a link that takes everything and delivers what the test says."""

    def __init__(self) -> None:
        self.counts = LinkCounts()
        self.published: list[tuple[str, bytes]] = []
        self.acknowledged: list[int] = []
        self.connected = True
        self.waiting = 0
        self.receive: Receive | None = None
        self._packets = count(1)

    async def run(self, receive: Receive) -> None:
        self.receive = receive
        await asyncio.Event().wait()

    def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        self.published += messages

    def acknowledge(self, messages: Sequence[Message]) -> None:
        self.acknowledged += [message.packet for message in messages if message.qos]

    def say(self, topic: str, payload: bytes, qos: int = 1) -> int:
        """A message comes; its packet id."""
        packet = next(self._packets) if qos else 0
        assert self.receive is not None
        self.receive(Message(topic, payload, qos, packet, False, 1))
        return packet


class Shelf:
    """An intake of `room` places. `commit` lets the first go through real twins."""

    def __init__(self, room: int = 1000) -> None:
        self.room = room
        self.taken: list[tuple[Stimulus, Done]] = []
        self.twins = Twins(enrols=True)

    def offer_nowait(self, stimuli: Sequence[Stimulus], done: Done | None = None) -> bool:
        if len(self.taken) >= self.room:
            return False
        assert done is not None
        *rest, last = stimuli
        self.taken += [(stimulus, lambda _: None) for stimulus in rest]
        self.taken.append((last, done))  # called once, after the commit of all
        return True

    def commit(self, door: MqttDoor, limit: int = 1000) -> None:
        batch, self.taken = self.taken[:limit], self.taken[limit:]
        instructions = []
        for stimulus, done in batch:
            said = self.twins.handle(stimulus)
            refused = next((i.reason for i in said if type(i).__name__ == "Refuse"), None)
            instructions += said
            done(Outcome(refused))
        door.tell(instructions)


class Setting:
    """A door between a wire and a shelf."""

    def __init__(
        self,
        *,
        room: int = 1000,
        reader: Reader | None = None,
        clock: Clock | None = None,
        mapped: Mappings | None = None,
    ) -> None:
        self.wire = Wire()
        self.shelf = Shelf(room)
        numbers = count(1)
        self.door = MqttDoor(
            self.wire,
            reader or Reader("edge-1"),
            Writer("edge-1"),
            self.shelf,
            clock or SystemClock(),
            lambda: f"mqtt:1:{next(numbers)}",
            mapped=mapped,
        )
        self.wire.receive = self.door._receive

    def balanced(self) -> bool:
        counts = self.door.counts
        return counts.offered == counts.accepted + counts.refused + counts.overflowed + counts.foreign


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_nothing_is_answered_or_acknowledged_before_the_commit(setting: Setting) -> None:
    packet = setting.wire.say(UPDATE, BODY)
    assert (setting.wire.published, setting.wire.acknowledged) == ([], [])
    assert setting.door.unanswered == 1
    setting.shelf.commit(setting.door)
    topics = [topic for topic, _ in setting.wire.published]
    assert f"{UPDATE}/result" in topics
    assert f"{UPDATE}/document" in topics
    assert setting.wire.acknowledged == [packet]
    assert setting.door.counts.accepted == 1


def test_what_the_twins_refuse_is_answered_and_acknowledged(setting: Setting) -> None:
    packet = setting.wire.say(UPDATE, b"{")
    assert isinstance(setting.shelf.taken[0][0], Refused)
    setting.shelf.commit(setting.door)
    topic, body = setting.wire.published[0]
    assert (topic, json.loads(body)["code"]) == (f"{UPDATE}/result", 400)
    assert setting.wire.acknowledged == [packet]
    assert setting.door.counts.refused == 1


def test_bad_telemetry_is_counted_and_acknowledged_at_once(setting: Setting) -> None:
    packet = setting.wire.say("gemelo/telemetry/default/d1", b"not json")
    assert setting.wire.acknowledged == [packet]
    assert (setting.door.counts.refused, setting.shelf.taken) == (1, [])


def test_refused_telemetry_is_told_for_whatever_reason_and_what_has_an_answer_is_not(
    setting: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    setting.shelf.twins = Twins()  # nobody joins by speaking
    for topic in ("gemelo/telemetry", "gemelo/telemetry/Plant/d1", "gemelo/telemetry/default/d1/t/celsius"):
        setting.wire.say(topic, b"{}")
    setting.wire.say("gemelo/telemetry/default/d1", b"not json")
    setting.wire.say("gemelo/telemetry/default/stranger", b'{"t": 1}')
    setting.wire.say(UPDATE, BODY)
    setting.shelf.commit(setting.door)
    refused = setting.door.refusals.counts
    assert (refused.topic, refused.body, refused.device, setting.door.counts.refused) == (3, 1, 1, 6)
    assert caplog.text.count("is refused") == 5
    assert "telemetry on 'gemelo/telemetry/default/stranger' is refused: " in caplog.text
    assert setting.balanced()


def test_telemetry_becomes_reported_values(setting: Setting) -> None:
    setting.wire.say("gemelo/telemetry/default/d1", b'{"t": 1.5}', qos=0)
    stimulus = setting.shelf.taken[0][0]
    assert isinstance(stimulus, Updated)
    assert (stimulus.device, stimulus.cause) == ("default/d1", "mqtt:1:1")


def test_topics_of_others_mean_what_their_mappings_say() -> None:
    spec = {"topic": "plant/#", "format": "line", "device": "{host}"}
    manifest = {"metadata": {"name": "m"}, "spec": spec}
    mappings = Mappings()
    mappings.apply("default/m", decode(manifest, Mapping, "m"))
    setting = Setting(mapped=mappings)
    packets = [
        setting.wire.say("plant/x", b"cpu,host=a idle=9 1000\ncpu,host=b idle=8 2000\ncpu,host=a idle=7 3000"),
        setting.wire.say("plant/x", b"cpu idle="),
        setting.wire.say("elsewhere", b"cpu,host=a idle=9"),
    ]
    assert setting.wire.acknowledged == packets[1:]
    assert setting.door.unanswered == 3
    setting.shelf.commit(setting.door)
    assert (setting.door.unanswered, setting.wire.acknowledged) == (0, [*packets[1:], packets[0]])
    assert sorted(twin.device for twin in setting.shelf.twins) == ["default/a", "default/b"]
    counts = setting.door.counts
    assert (counts.accepted, counts.refused, counts.foreign) == (1, 1, 1)
    assert setting.door.refusals.counts.body == 1


def test_what_concerns_nobody_is_counted_and_acknowledged(setting: Setting) -> None:
    packet = setting.wire.say("$hw/events/device/default/d1/twin/update/document", b"{}")
    assert setting.wire.acknowledged == [packet]
    assert setting.door.counts.foreign == 1


def test_a_full_intake_drops_and_counts_what_came_at_qos_0() -> None:
    setting = Setting(room=1)
    for _ in range(3):
        setting.wire.say(UPDATE, BODY, qos=0)
    assert setting.door.counts.overflowed == 2
    setting.shelf.commit(setting.door)
    assert setting.balanced()


def test_what_came_at_qos_1_waits_for_room_in_its_order_and_is_answered() -> None:
    """The broker would not send it again while the link lives: left alone, it would fill the window for ever."""
    setting = Setting(room=2)
    packets = [setting.wire.say(UPDATE, BODY.replace(b"e1", b"e%d" % n)) for n in range(7)]
    assert len(setting.shelf.taken) == 2
    assert setting.door.unanswered == 7
    while setting.shelf.taken:
        setting.shelf.commit(setting.door, limit=1)
    assert setting.wire.acknowledged == packets
    results = [json.loads(body)["event_id"] for topic, body in setting.wire.published if topic.endswith("/result")]
    assert results == [f"e{n}" for n in range(7)]
    assert setting.door.counts.accepted == 7


def test_nothing_overtakes_what_waits_for_room() -> None:
    setting = Setting(room=1)
    setting.wire.say(UPDATE, BODY)
    setting.wire.say(UPDATE, BODY.replace(b"e1", b"e2"))
    setting.shelf.room = 10
    setting.wire.say(UPDATE, BODY.replace(b"e1", b"e3"))
    for _ in range(2):
        setting.shelf.commit(setting.door)
    results = [json.loads(body)["event_id"] for topic, body in setting.wire.published if topic.endswith("/result")]
    assert results == ["e1", "e2", "e3"]


def test_a_message_that_we_fail_to_read_does_not_come_again(caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(Reader):
        """A reader with a bug: the fault itself."""

        def read(self, topic: str, payload: bytes, *rest: Any, **more: Any) -> Stimulus | None:
            if payload == b"poison":
                raise ZeroDivisionError
            return super().read(topic, payload, *rest, **more)

    setting = Setting(reader=Faulty("edge-1"))
    packet = setting.wire.say(UPDATE, b"poison")
    assert setting.wire.acknowledged == [packet]
    assert "ZeroDivisionError" in caplog.text
    setting.wire.say(UPDATE, BODY)
    setting.shelf.commit(setting.door)
    assert (setting.door.counts.refused, setting.door.counts.accepted) == (1, 1)


topics = st.sampled_from(
    [UPDATE, "gemelo/telemetry/default/d1", "gemelo/telemetry/default/d1/t", "$hw/events/device/d1/twin/get", "x"]
)
payloads = st.sampled_from([BODY, b"{}", b"[1]", b"7", b"{", b'{"t": null}', b"\xff"]) | st.binary(max_size=20)


@given(st.lists(st.tuples(topics, payloads, st.sampled_from([0, 1])), max_size=30), st.integers(1, 30), st.data())
def test_the_counts_are_exact(messages: list[tuple[str, bytes, int]], room: int, data: st.DataObject) -> None:
    setting = Setting(room=room)
    packets = []
    for topic, payload, qos in messages:
        packet = setting.wire.say(topic, payload, qos)
        packets += [packet] if qos else []
        if data.draw(st.booleans()):
            setting.shelf.commit(setting.door, limit=data.draw(st.integers(1, 5)))
    while setting.shelf.taken:
        setting.shelf.commit(setting.door)
    assert setting.door.counts.offered == len(messages)
    assert setting.balanced()
    assert sorted(setting.wire.acknowledged) == packets


def test_while_answers_wait_for_the_broker_nothing_more_is_taken_than_can_be_answered_soon() -> None:
    setting = Setting()
    setting.wire.waiting = 2 * ROOM  # two answers an update
    setting.wire.say(UPDATE, BODY, qos=0)
    setting.wire.say(UPDATE, BODY)
    assert (setting.shelf.taken, setting.door.counts.overflowed, setting.door.unanswered) == ([], 1, 1)


@in_virtual_time
async def test_while_the_oldest_message_waits_too_long_nothing_more_is_taken() -> None:
    setting = Setting(clock=VirtualClock())
    setting.wire.say(UPDATE, BODY, qos=0)
    await asyncio.sleep(SOON / 1_000_000)
    setting.wire.say(UPDATE, BODY, qos=0)
    await asyncio.sleep(0.001)
    for qos in (0, 1):
        setting.wire.say(UPDATE, BODY, qos)
    assert (len(setting.shelf.taken), setting.door.counts.overflowed) == (2, 1)
    setting.shelf.commit(setting.door, 2)
    assert len(setting.shelf.taken) == 1, "what came at QoS 1 was held"
    setting.wire.say(UPDATE, BODY, qos=0)
    assert len(setting.shelf.taken) == 2


@in_virtual_time
async def test_what_is_held_is_taken_when_the_answers_are_gone_though_no_commit_comes_by() -> None:
    setting = Setting(clock=VirtualClock())
    async with asyncio.TaskGroup() as group:
        running = group.create_task(setting.door.run())
        setting.wire.waiting = 2 * ROOM
        setting.wire.say(UPDATE, BODY)
        await asyncio.sleep(1)
        assert setting.shelf.taken == []
        setting.wire.waiting = 0
        await asyncio.sleep(1)
        setting.shelf.commit(setting.door)
        assert len(setting.wire.acknowledged) == 1
        running.cancel()


async def test_a_closing_door_takes_nothing_more_and_stays_until_it_has_answered(setting: Setting) -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(setting.door.run())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        setting.wire.say(UPDATE, BODY)
        running.cancel()
        await asyncio.sleep(0)
        late = setting.wire.say(UPDATE, BODY)
        setting.wire.say(UPDATE, BODY, qos=0)
        assert not running.done()
        setting.shelf.commit(setting.door)
    assert running.cancelled()
    assert len(setting.wire.acknowledged) == 1
    assert late not in setting.wire.acknowledged
    assert (setting.door.counts.offered, setting.door.counts.overflowed) == (2, 1)
    assert setting.balanced()


async def test_a_closing_door_waits_for_no_broker_that_is_away(setting: Setting) -> None:
    async with asyncio.timeout(1), asyncio.TaskGroup() as group:
        running = group.create_task(setting.door.run())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        setting.wire.say(UPDATE, BODY)
        setting.wire.connected = False
        running.cancel()
    assert running.cancelled()


def test_large_messages_count_as_many_so_that_what_is_on_its_way_fits_into_the_memory() -> None:
    setting = Setting(room=10_000)
    body = b'{"event_id":"e","twin":{"t":{"actual":{"value":"1"}}}}'.ljust(BODY_LIMIT)
    for n in range(1000):
        setting.wire.say(UPDATE.replace("d1", f"d{n}"), body, qos=0)
    taken = len(setting.shelf.taken)
    assert taken * (1 + BODY_LIMIT // PIECE) <= ROOM + BODY_LIMIT // PIECE + 1
    assert setting.door.counts.overflowed == 1000 - taken
    setting.shelf.commit(setting.door)
    assert setting.balanced()
    assert setting.door.unanswered == 0
