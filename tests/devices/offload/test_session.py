"""One phone and the door, over real gRPC on loopback; the detector and the disk behind it are doubles."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import grpc
import pytest

from devices.offload.server import OffloadDoor
from simulator.wire import offload_pb2 as pb
from tests.devices.offload.client import Client, frame, jpeg
from tests.devices.offload.conftest import Opens
from tests.devices.offload.doubles import Light, MemoryIntake, ShiftedClock
from twins.errors import Broken, Dropped, Rejected
from twins.exchange import ModelInfo, Outcome
from twins.stimuli import Inferred, Updated

INFO = ModelInfo("face-emotion", "7", "emotion", ("happy", "sad"), 64, 64, "", "MIT")


def inferred(intake: MemoryIntake) -> list[Inferred]:
    return [stimulus for stimulus in intake.stored if isinstance(stimulus, Inferred)]


async def test_every_frame_gets_exactly_one_result(door: OffloadDoor, intake: MemoryIntake) -> None:
    async with Client(door.address) as phone:
        welcome = await phone.open()
        assert welcome.credit == 2
        for seq in range(300):
            while not phone.credit:
                await phone.result()
            phone.credit -= 1
            await phone.send(frame(seq, shade=255 * (seq % 2)))
        await phone.send(pb.ClientMessage(bye=pb.Bye()))
        assert await phone.ended() == grpc.StatusCode.OK
    assert sorted(result.seq for result in phone.results) == list(range(300))
    assert Counter(pb.Result.Status.Name(result.status) for result in phone.results) == {"OK": 150, "NO_FACE": 150}
    assert door.answered == {"OK": 150, "NO_FACE": 150}
    assert [stimulus.seq for stimulus in inferred(intake)] == list(range(300))


async def test_a_result_says_what_was_seen_and_where_the_time_went(door: OffloadDoor) -> None:
    async with Client(door.address) as phone:
        await phone.open()
        sent = frame(5, shade=230)
        await phone.send(sent)
        result = await phone.result()
        rtt = time.monotonic_ns() // 1000 - result.client_ts_us
    [face] = result.faces
    assert result.client_ts_us == sent.frame.client_ts_us
    assert (face.label, round(face.found, 3), face.box.w) == ("happy", 0.9, 0.5)
    assert face.score == pytest.approx(face.scores[0])
    spent = {stage.name: getattr(result.durations, stage.name) for stage in result.durations.DESCRIPTOR.fields}
    assert 0 < sum(spent.values()) <= rtt
    assert spent["decode_us"] > 0


async def test_an_ok_leaves_only_after_the_commit(door: OffloadDoor, intake: MemoryIntake) -> None:
    async with Client(door.address) as phone:
        await phone.open()
        intake.held = True
        await phone.send(frame(1))
        await phone.send(frame(2, data=b"poison"))
        assert (await phone.result()).seq == 2, "what needs no disk does not wait for it"
        await intake.until(lambda: len(inferred_offered(intake)) == 1)
        assert door.answered == {"BAD_INPUT": 1}
        intake.commit()
        result = await phone.result()
        assert (result.seq, result.status) == (1, pb.Result.OK)
        assert result.durations.commit_us > 0


def inferred_offered(intake: MemoryIntake) -> list[Inferred]:
    return [stimulus for stimulus in intake.offered if isinstance(stimulus, Inferred)]


async def test_what_the_twins_refuse_is_not_ok(door: OffloadDoor, intake: MemoryIntake) -> None:
    async with Client(door.address) as phone:
        await phone.open()
        intake.outcome = Outcome(refused="no such device", code=404)
        await phone.send(frame(1))
        result = await phone.result()
        assert (result.status, result.reason, result.credit) == (pb.Result.NOT_STORED, "no such device", 1)


async def test_a_closed_intake_is_busy(door: OffloadDoor, intake: MemoryIntake) -> None:
    async with Client(door.address) as phone:
        await phone.open()
        intake.closed = True
        await phone.send(frame(1))
        assert (await phone.result()).status == pb.Result.REJECTED_BUSY
        intake.closed = False


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        ({"data": b"\xff\xd8\xff\xe0" + bytes(100)}, "not a JPEG"),
        ({"data": jpeg()[:200]}, "not a JPEG"),
        ({"data": b"GIF89a"}, "not a JPEG"),
        ({"format": 0}, "format 0 is not known"),
        ({"format": 99}, "format 99 is not known"),
        ({"rotation": 45}, "rotation 45"),
        ({"format": pb.NV21, "width": 640, "height": 480}, "takes 460800 bytes"),
        ({"format": pb.GRAY8, "width": 2**31, "height": 2**31}, "without padding"),
    ],
)
async def test_poison_is_answered_and_the_session_lives(
    door: OffloadDoor, poison: dict[str, object], reason: str
) -> None:
    async with Client(door.address) as phone:
        await phone.open()
        await phone.send(frame(1, **poison))
        result = await phone.result()
        assert result.status == pb.Result.BAD_INPUT
        assert reason in result.reason
        await phone.send(frame(2))
        assert (await phone.result()).status == pb.Result.OK


async def test_an_empty_frame_is_bad_input(door: OffloadDoor) -> None:
    async with Client(door.address) as phone:
        await phone.open()
        await phone.send(pb.ClientMessage(frame=pb.Frame(seq=1, format=pb.JPEG)))
        assert (await phone.result()).status == pb.Result.BAD_INPUT


async def test_a_raw_frame_is_looked_at_too(door: OffloadDoor, light: Light) -> None:
    async with Client(door.address) as phone:
        await phone.open()
        await phone.send(frame(1, format=pb.GRAY8, width=10, height=4, rotation=90, data=bytes([40] * 40)))
        assert (await phone.result()).faces[0].label == "sad"
    assert (light.seen[0].format, light.seen[0].rotation) == ("gray8", 90)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Dropped("newer", "a newer one came"), "DROPPED_NEWER"),
        (Dropped("deadline", "too late"), "DROPPED_DEADLINE"),
        (Dropped("busy", "others wait"), "REJECTED_BUSY"),
        (Rejected("no pipeline of that name", 404), "MODEL_GONE"),
    ],
)
async def test_what_the_engine_says_is_passed_on(
    door: OffloadDoor, light: Light, error: Exception, status: str
) -> None:
    async with Client(door.address) as phone:
        await phone.open()
        light.error = error
        await phone.send(frame(1))
        assert pb.Result.Status.Name((await phone.result()).status) == status
        assert phone.credit == 3, "a drop returns its credit as an OK does"


async def test_a_missing_model_is_gone_until_it_is_back(door: OffloadDoor, light: Light) -> None:
    async with Client(door.address) as phone:
        await phone.open()
        light.missing = True
        await phone.send(frame(1))
        assert (await phone.result()).status == pb.Result.MODEL_GONE
        light.missing = False
        await phone.send(frame(2))
        assert (await phone.result()).status == pb.Result.OK


async def test_the_newest_frame_wins_and_the_replaced_one_is_answered(opens: Opens, light: Light) -> None:
    async with opens(credit=3) as door, Client(door.address) as phone:
        await phone.open()
        light.gate.clear()
        for seq in (1, 2, 3):
            await phone.send(frame(seq))
        dropped = await phone.result()
        assert (dropped.seq, dropped.status, dropped.credit) == (2, pb.Result.DROPPED_NEWER, 1)
        light.gate.set()
        assert [(await phone.result()).seq for _ in range(2)] == [1, 3]


async def test_a_phone_that_sends_without_credit_is_answered_and_not_obeyed(door: OffloadDoor, light: Light) -> None:
    async with Client(door.address) as phone:
        await phone.open()
        light.gate.clear()
        for seq in range(1, 41):
            await phone.send(frame(seq))
        results = [await phone.result() for _ in range(38)]
        assert {(result.status, result.credit) for result in results} == {(pb.Result.REJECTED_BUSY, 0)}
        light.gate.set()
        assert [(await phone.result()).status for _ in range(2)] == [pb.Result.OK] * 2
    assert len(light.seen) == 2


async def test_a_frame_whose_turn_comes_too_late_is_dropped(
    door: OffloadDoor, light: Light, clock: ShiftedClock
) -> None:
    async with Client(door.address) as phone:
        await phone.open(deadline_ms=60_000)
        light.gate.clear()
        for seq in (1, 2, 3):
            await phone.send(frame(seq))
        assert (await phone.result()).seq == 3, "sent without credit: so the others have arrived"
        clock.ahead += 61
        light.gate.set()
        assert (await phone.result()).status == pb.Result.OK
        late = await phone.result()
        assert (late.seq, late.status) == (2, pb.Result.DROPPED_DEADLINE)
    assert [seen.seq for seen in light.seen] == [1]


async def test_what_the_network_takes_is_not_left_of_the_deadline(door: OffloadDoor, light: Light) -> None:
    async with Client(door.address) as phone:
        await phone.open()
        await phone.send(pb.ClientMessage(stats=pb.ClientStats(network_p50_us=2_000_000)))
        await phone.send(frame(1, deadline_ms=2_000))
        assert (await phone.result()).status == pb.Result.DROPPED_DEADLINE
        await phone.send(frame(2, deadline_ms=60_000))
        assert (await phone.result()).status == pb.Result.OK
    assert light.deadlines == [pytest.approx(58.0)], "the engine gets what is left, counted from the arrival"


async def test_a_slow_detector_bounds_the_wait_and_loses_no_count(door: OffloadDoor, light: Light) -> None:
    """The detector takes 60 ms; the phone sends as fast as it has credit, and the p95 of its waits stays bounded."""
    light.seconds = 0.06
    waits = []
    async with Client(door.address) as phone:
        await phone.open()
        for seq in range(40):
            while not phone.credit:
                await phone.result()
                waits.append(time.monotonic_ns() // 1000 - phone.results[-1].client_ts_us)
            phone.credit -= 1
            await phone.send(frame(seq))
        await phone.send(pb.ClientMessage(bye=pb.Bye()))
        assert await phone.ended() == grpc.StatusCode.OK
    assert len(phone.results) == door.answered.total() == 40
    assert sorted(waits)[int(len(waits) * 0.95)] < 200_000, "two frames of 60 ms, and change"


async def test_a_phone_whose_frames_are_dropped_for_load_is_advised_to_send_fewer(
    door: OffloadDoor, light: Light
) -> None:
    async with Client(door.address) as phone:
        await phone.open(fps=20)
        light.error = Dropped("busy", "others wait")
        for seq in range(5):
            await phone.send(frame(seq))
            await phone.result()
        hint = (await phone.until("hint")).hint
        assert hint.target_fps == pytest.approx(14.0)
        assert hint.valid_ms > 1000


async def test_disabling_pauses_the_credit_and_enabling_grants_it_again(door: OffloadDoor) -> None:
    async with Client(door.address) as phone:
        await phone.open()
        await door.actuate("default/phone-1", {"enabled": "false", "fps_cap": "3"})
        desired = (await phone.until("desired")).desired
        assert dict(desired.values) == {"enabled": "false", "fps_cap": "3"}
        await phone.send(frame(1))
        assert (await phone.result()).credit == 0
        await door.actuate("default/phone-1", {"enabled": "true"})
        assert (await phone.until("grant")).grant.credit == 1


async def test_what_the_phone_obeys_is_reported(door: OffloadDoor, intake: MemoryIntake) -> None:
    async with Client(door.address) as phone:
        await phone.open()
        await phone.send(pb.ClientMessage(ack=pb.ControlAck(reported={"fps_cap": "3", "emotion": "forged"})))
        await intake.until(lambda: reported(intake).get("fps_cap") == "3")
        assert "emotion" not in reported(intake), "only what can be asked is taken from an acknowledgement"


async def test_statistics_become_reported_values(door: OffloadDoor, intake: MemoryIntake) -> None:
    async with Client(door.address) as phone:
        await phone.open()
        stats = pb.ClientStats(network_p50_us=12_340, battery=81.4, metered=True, link="wifi", skipped=7)
        await phone.send(pb.ClientMessage(stats=stats))
        await intake.until(lambda: "battery" in reported(intake))
    wanted = {"network.p50_ms": "12.3", "battery": "81", "metered": "true", "link": "wifi", "frames.skipped": "7"}
    assert wanted.items() <= reported(intake).items()


def reported(intake: MemoryIntake) -> dict[str, str | None]:
    updates = [stimulus for stimulus in intake.stored if isinstance(stimulus, Updated)]
    return {name: edit.reported for update in updates for name, edit in update.edits.items() if edit is not None}


async def test_what_the_phone_inferred_itself_goes_to_the_twin(door: OffloadDoor, intake: MemoryIntake) -> None:
    async with Client(door.address) as phone:
        await phone.open()
        await phone.send(pb.ClientMessage(local_result=pb.LocalResult(seq=9, label="sad", score=0.75, model="tiny")))
        await intake.until(lambda: bool(inferred(intake)))
        await phone.send(frame(10))
        await phone.result()
    local, edge = inferred(intake)
    assert (local.result.model, local.result.version) == ("tiny", "device")
    assert local.values == {"emotion": "sad", "emotion.score": "0.750", "source": "device"}
    assert edge.values["source"] == "edge"


async def test_frames_become_values_of_the_twin(door: OffloadDoor, intake: MemoryIntake) -> None:
    async with Client(door.address) as phone:
        await phone.open()
        await phone.send(frame(1, shade=230))
        await phone.result()
        await phone.send(frame(2, shade=0))
        await phone.result()
    face, empty = inferred(intake)
    assert face.device == "default/phone-1"
    assert {"emotion": "happy", "face.count": "1"}.items() <= face.values.items()
    assert 0 <= float(face.values["latency.server_ms"]) < 1000
    assert empty.values.keys() == {"face.count", "latency.server_ms"}, "no face leaves the last emotion"
    assert face.result.cause == face.cause


async def test_another_version_of_the_model_is_told(opens: Opens, light: Light) -> None:
    async with opens(models=lambda: [INFO]) as door, Client(door.address) as phone:
        welcome = await phone.open()
        assert (welcome.model.version, list(welcome.model.labels)) == ("7", ["happy", "sad"])
        light.version = "8"
        await phone.send(frame(1))
        assert (await phone.until("model_changed")).model_changed.model.version == "8"
        assert (await phone.result()).model_version == "8"


async def test_a_model_can_be_asked_of_the_twin(opens: Opens, light: Light, intake: MemoryIntake) -> None:
    person = ModelInfo("person", "1", "person", ("person",), 300, 300, "", "MIT")
    async with opens(models=lambda: [INFO, person]) as door, Client(door.address) as phone:
        await phone.open()
        await door.actuate("default/phone-1", {"model": "person"})
        assert (await phone.until("model_changed")).model_changed.model.name == "person"
        await phone.send(frame(1))
        assert (await phone.result()).model == "person"
        await intake.until(lambda: reported(intake).get("model") == "person")


async def test_a_broken_engine_ends_the_session_and_the_door_lives(
    door: OffloadDoor, light: Light, caplog: pytest.LogCaptureFixture
) -> None:
    async with Client(door.address) as phone:
        await phone.open()
        light.error = Broken("our own fault")
        await phone.send(frame(1))
        assert await phone.ended() == grpc.StatusCode.INTERNAL
        assert "our own fault" in caplog.text
        light.error = None
        await phone.open()
        await phone.send(frame(2))
        assert (await phone.result()).status == pb.Result.OK


async def test_an_overdue_commit_is_answered_once(opens: Opens, intake: MemoryIntake) -> None:
    async with opens(commit_timeout=0.1) as door, Client(door.address) as phone:
        await phone.open()
        intake.held = True
        await phone.send(frame(1))
        result = await phone.result()
        assert result.status == pb.Result.NOT_STORED
        assert "may still be stored" in result.reason
        intake.held = False
        intake.commit()
        await phone.send(frame(2))
        assert (await phone.result()).seq == 2, "the late confirmation makes no second result"


async def test_who_does_not_read_results_is_sent_away(opens: Opens, light: Light) -> None:
    """The client's transport takes no more once its window is full: that is a phone which stopped reading."""
    small = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1024)]
    light.error = Rejected("x" * 200)
    async with opens(send_timeout=0.3) as door, Client(door.address, options=small) as phone:
        await phone.open()
        sent = 0
        while door.online and sent < 20_000:
            sent += 1
            try:
                await phone.send(frame(sent, data=b"x"))
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError, TimeoutError):
                break
        assert await phone.ended() == grpc.StatusCode.RESOURCE_EXHAUSTED
