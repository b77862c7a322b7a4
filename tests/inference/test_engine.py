from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from inference.catalogue import load
from inference.engine import OpenVinoEngine
from inference.network import Network
from inference.pipeline import FaceEmotion
from runtime.clock import SystemClock
from twins.errors import Dropped, Rejected
from twins.exchange import Frame, ModelInfo

FrameOf = Callable[..., Frame]

EMOTIONS = load().entry("emotion-mini-xception").labels
INFO = ModelInfo("face-emotion", "1", "faces", EMOTIONS, 320, 320, "", "MIT")


@pytest.fixture
def engine(yunet: Network, emotion: Network) -> Iterator[OpenVinoEngine]:
    with ThreadPoolExecutor(2) as pool:
        yield OpenVinoEngine(INFO, FaceEmotion(yunet, emotion, EMOTIONS), pool, SystemClock())


async def test_a_result_carries_its_frames_identity_and_what_each_stage_cost(
    engine: OpenVinoEngine, media: Path, frame_of: FrameOf
) -> None:
    received = SystemClock().monotonic() - 0.25
    frame = frame_of((media / "multi_face.jpg").read_bytes(), device="default/phone", seq=7, received=received)
    result = await engine.infer(frame)
    assert (result.device, result.seq, result.at, result.cause) == ("default/phone", 7, 7000, "test:1:7")
    assert (result.model, result.version, result.width, result.height) == ("face-emotion", "1", 1000, 667)
    assert len(result.detections) == 10
    assert 250_000 <= result.queue_us < 5_000_000
    assert min(result.decode_us, result.infer_us, result.post_us) > 0


async def test_a_turned_phone_gives_the_size_and_boxes_of_the_upright_picture(
    engine: OpenVinoEngine, media: Path, frame_of: FrameOf
) -> None:
    from PIL import Image

    upright = Image.open(media / "astronaut.png").convert("RGB").crop((0, 0, 512, 400))
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    frame = frame_of(turned.tobytes(), format="rgb24", width=400, height=512, rotation=90)
    result = await engine.infer(frame)
    assert (result.width, result.height) == (512, 400)
    box = result.detections[0].box
    assert box is not None
    assert (box.x + box.w / 2) * 512 == pytest.approx(224, abs=10)


async def test_a_broken_picture_is_rejected_and_the_next_one_is_seen(
    engine: OpenVinoEngine, media: Path, frame_of: FrameOf
) -> None:
    data = (media / "astronaut.png").read_bytes()
    with pytest.raises(Rejected, match="truncated"):
        await engine.infer(frame_of(data[:5000]))
    assert len((await engine.infer(frame_of(data))).detections) == 2


async def test_a_frame_that_is_too_late_is_not_begun(engine: OpenVinoEngine, frame_of: FrameOf) -> None:
    with pytest.raises(Dropped) as dropped:
        await engine.infer(frame_of(b"never looked at", received=SystemClock().monotonic() - 1), deadline=0.5)
    assert dropped.value.kind == "deadline"


async def test_no_result_is_kept_by_picture(engine: OpenVinoEngine, media: Path, frame_of: FrameOf) -> None:
    names = ("sample1.jpg", "sample5.jpg", "sample1.jpg")
    frames = [frame_of((media / name).read_bytes(), seq=seq) for seq, name in enumerate(names)]
    results = await asyncio.gather(*(engine.infer(frame) for frame in frames))
    assert [len(result.detections) for result in results] == [6, 10, 6]
    assert [result.seq for result in results] == [0, 1, 2]
    assert all(result.infer_us > 0 for result in results)
