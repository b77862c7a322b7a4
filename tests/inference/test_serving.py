from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from inference.depot import Depot
from inference.serving import Inference, Settings
from runtime.clock import SystemClock
from twins.errors import Dropped, Rejected, Unavailable
from twins.exchange import Frame

FrameOf = Callable[..., Frame]


@asynccontextmanager
async def running(inference: Inference) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(inference.run())
        await asyncio.sleep(0)
        yield
        task.cancel()


async def test_a_model_that_is_missing_is_told_with_the_command_that_fetches_it(
    tmp_path: Path, frame_of: FrameOf
) -> None:
    inference = Inference(Depot(tmp_path / "models"), SystemClock())
    assert inference.models() == []
    async with running(inference):
        for _ in range(2):
            with pytest.raises(Unavailable, match="`gemelo model pull person-ssdlite`"):
                await inference.infer("persons", frame_of())


async def test_an_unknown_pipeline_is_rejected_with_the_nearest_name(tmp_path: Path, frame_of: FrameOf) -> None:
    async with running(inference := Inference(Depot(tmp_path / "models"), SystemClock())):
        with pytest.raises(Rejected, match="did you mean 'persons'"):
            await inference.infer("person", frame_of())


async def test_before_it_runs_it_is_unavailable(tmp_path: Path, frame_of: FrameOf) -> None:
    with pytest.raises(Unavailable, match="not running"):
        await Inference(Depot(tmp_path / "models"), SystemClock()).infer("persons", frame_of())


async def test_a_pipeline_is_loaded_once_for_all_who_ask_and_answers_each(
    depot: Depot, media: Path, frame_of: FrameOf
) -> None:
    inference = Inference(depot, SystemClock())
    data = (media / "astronaut.png").read_bytes()
    async with running(inference):
        frames = [frame_of(data, device=f"default/phone-{n}", seq=n) for n in range(4)]
        results = await asyncio.gather(*(inference.infer("face-emotion", frame) for frame in frames))
    assert [result.seq for result in results] == [0, 1, 2, 3]
    assert all([d.label for d in result.detections] == ["face", "happy"] for result in results)


async def test_what_is_here_is_listed_and_counted_by_pipeline(depot: Depot, media: Path, frame_of: FrameOf) -> None:
    inference = Inference(depot, SystemClock())
    (info,) = inference.models()
    assert (info.name, info.version, info.licence, info.labels[3]) == (
        "face-emotion",
        "2023mar+25.10.3",
        "MIT",
        "happy",
    )
    assert len(info.sha256) == 64
    async with running(inference):
        assert inference.counts() == {}
        engine = await inference.load("face-emotion")
        assert engine.info == info
        await engine.infer(frame_of((media / "astronaut.png").read_bytes()))
        with pytest.raises(Rejected):
            await engine.infer(frame_of(b"no picture"))
        counts = inference.counts()["face-emotion"]
        assert (counts.offered, counts.done, counts.failed, counts.typical > 0) == (2, 1, 1, True)


async def test_a_damaged_model_is_not_run_and_found_again_once_mended(
    depot: Depot, media: Path, frame_of: FrameOf
) -> None:
    path = depot.folder / depot.catalogue.entry("face-yunet").file
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    inference = Inference(depot, SystemClock(), Settings(retry=0.0))
    frame = frame_of((media / "astronaut.png").read_bytes())
    async with running(inference):
        with pytest.raises(Unavailable, match=r"face-yunet is damaged .* `gemelo model pull face-yunet`"):
            await inference.infer("face-emotion", frame)
        path.write_bytes(whole)
        assert len((await inference.infer("face-emotion", frame)).detections) == 2


async def test_when_it_stops_during_a_load_its_callers_are_told(depot: Depot, frame_of: FrameOf) -> None:
    inference = Inference(depot, SystemClock())
    async with asyncio.TaskGroup() as group:
        runner = group.create_task(inference.run())
        await asyncio.sleep(0)
        asked = group.create_task(_outcome(inference, frame_of()))
        await asyncio.sleep(0)
        runner.cancel()
        outcome = await asked
    assert isinstance(outcome, Dropped)
    assert outcome.kind == "stopping"


async def test_the_default_set_runs_as_it_is_pulled(pulled: Depot, frame_of: FrameOf) -> None:
    frame = frame_of((pulled.need("astronaut.png")).read_bytes())
    async with running(inference := Inference(pulled, SystemClock())):
        assert [info.name for info in inference.models()] == ["face-emotion", "persons"]
        faces, persons = [await inference.infer(name, frame) for name in ("face-emotion", "persons")]
    assert [detection.label for detection in faces.detections] == ["face", "happy"]
    assert [detection.label for detection in persons.detections] == ["person"]
    assert (persons.version, persons.width, persons.height) == ("0.2", 512, 512)


async def _outcome(inference: Inference, frame: Frame) -> object:
    try:
        return await inference.infer("face-emotion", frame)
    except Dropped as dropped:
        return dropped
