"""What the gateway does itself for a rule: methods of devices, clips, looks of models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from devices.camera.gallery import Gallery
from gateway.actions.inward import Calls, Clips, Looks
from rules.instructions import Act
from rules.tasks import Call, Clip, Infer, Task
from runtime.clock import SystemClock
from store.blobs import Blobs
from store.journal import Journal
from tests.clock import SleepingClock, in_virtual_time
from tests.gateway.stage import Stage
from twins.errors import Dropped, Rejected, Unavailable
from twins.exchange import Detection, Frame, Result
from twins.stimuli import Inferred, Updated

np = pytest.importorskip("numpy")
API = "devices.kubeedge.io/v1beta1"
MODEL = {
    "apiVersion": API,
    "kind": "DeviceModel",
    "metadata": {"name": "pump"},
    "spec": {"properties": [{"name": name, "type": "INT", "accessMode": "ReadWrite"} for name in ("speed", "valve")]},
}
DEVICE = {
    "apiVersion": API,
    "kind": "Device",
    "metadata": {"name": "pump-1"},
    "spec": {
        "deviceModelRef": {"name": "pump"},
        "methods": [{"name": "run", "propertyNames": ["speed"]}],
    },
}


def act(task: Task) -> Act:
    return Act("ab" * 12, "default/rule/d1", "mqtt:1:7", 0, task)


@in_virtual_time
async def test_a_method_desires_the_properties_that_it_names() -> None:
    stage = Stage()
    calls = Calls(stage.registry, stage.twins, stage.clock)
    async with stage.running():
        await stage.registry.apply(MODEL, "test")
        await stage.registry.apply(DEVICE, "test")
        done = await calls.perform(act(Call("default/pump-1", "run", {"speed": "5"})))
        (asked,) = done.stimuli
        assert isinstance(asked, Updated)
        await stage.core.ask(asked)
        twin = stage.twins.get("default/pump-1")
        assert twin is not None
        assert twin.properties["speed"].desired.value == "5"  # type: ignore[union-attr]
        with pytest.raises(Rejected, match="the value is not int"):
            await calls.perform(act(Call("default/pump-1", "run", {"speed": "fast"})))
        for task, reason in (
            (Call("default/pump-2", "run", {"speed": "5"}), "there is no Device default/pump-2"),
            (Call("default/pump-1", "rum", {"speed": "5"}), r"no method rum; did you mean run\?"),
            (Call("default/pump-1", "run", {"valve": "5"}), "run does not write valve"),
        ):
            with pytest.raises(Rejected, match=reason):
                await calls.perform(act(task))


def frame(n: int, at: int) -> Frame:
    data = np.zeros((12, 16, 3), np.uint8).tobytes()
    return Frame("default/gate", n, at, 1.0, 16, 12, "rgb24", data, cause=f"camera:1:{n}")


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[Blobs]:
    journal = Journal(tmp_path, SystemClock())
    await journal.open()
    yield Blobs(tmp_path / "blobs", 1 << 20, journal, SystemClock())
    await journal.close()


async def test_a_clip_is_the_pictures_of_its_time_also_those_that_come_meanwhile(blobs: Blobs) -> None:
    pytest.importorskip("PIL")
    gallery = Gallery()
    for n, at in enumerate((1_000_000, 9_000_000, 10_000_000)):
        gallery.show(frame(n, at))

    class Passing(SleepingClock):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            gallery.show(frame(9, self.now()))

    clips = Clips(gallery, blobs, Passing(10.0))
    done = await clips.perform(act(Clip("default/gate", 5_000_000, 10_300_000)))
    name = "ab" * 12
    assert done.said == f"3 pictures, {name}-0 to {name}-2"
    assert (await blobs.get(f"{name}-0") or b"")[:3] == b"\xff\xd8\xff"
    assert await blobs.get(f"{name}-2") is not None
    with pytest.raises(Rejected, match="there are no pictures of default/none"):
        await clips.perform(act(Clip("default/none", 0, 1)))


class Eyes:
    """Stands for the models: sees what the test says."""

    def __init__(self, found: Any) -> None:
        self.found = found
        self.asked: list[tuple[str, str]] = []

    async def infer(self, model: str, frame: Frame, *, deadline: float | None) -> Result:
        self.asked.append((model, frame.cause))
        if isinstance(self.found, Exception):
            raise self.found
        return Result(frame.device, model, "1", frame.seq, frame.at, self.found)


async def test_a_model_looks_at_the_newest_picture_and_counts_are_the_cameras() -> None:
    stage, gallery = Stage(), Gallery()
    eyes = Eyes((Detection("person", 0.9), Detection("person", 0.8), Detection("dog", 0.7)))
    looks = Looks(gallery, eyes, stage.registry, SystemClock())
    task = act(Infer("default/gate", "persons"))
    with pytest.raises(Rejected, match="there is no picture of default/gate"):
        await looks.perform(task)
    gallery.show(frame(1, 5))
    gallery.show(frame(2, 6))
    (seen,) = (await looks.perform(task)).stimuli
    assert isinstance(seen, Inferred)
    assert (seen.device, seen.at, seen.seq, seen.cause) == ("default/gate", 6, 2, "mqtt:1:7")
    assert seen.values == {"dog.count": "1", "person.count": "2"}
    assert eyes.asked == [("persons", "mqtt:1:7")]
    eyes.found = Dropped("busy", "too many sources wait")
    with pytest.raises(Unavailable, match="too many sources wait"):
        await looks.perform(task)
