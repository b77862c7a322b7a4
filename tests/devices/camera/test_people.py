"""Real street videos and a real person detector, where GEMELO_ASSETS has them."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from twins.exchange import Box, Detection, Frame, Result

MODEL = "models/pedestrian_ssdlite"


class SsdLite:
    """SSDLite in OpenVINO: RGB 300x300 in, boxes [y1, x1, y2, x2] in parts and scores out."""

    def __init__(self, model: object) -> None:
        import openvino

        self._compiled = openvino.Core().compile_model(str(model), "CPU", {"INFERENCE_NUM_THREADS": 1})

    async def infer(self, model: str, frame: Frame, *, deadline: float | None) -> Result:
        return await asyncio.to_thread(self._answer, model, frame)

    def _answer(self, model: str, frame: Frame) -> Result:
        from PIL import Image

        image = Image.frombytes("RGB", (frame.width, frame.height), frame.data).resize((300, 300))
        answer = self._compiled(np.asarray(image)[None])
        outputs = [np.squeeze(answer[index]) for index in range(len(self._compiled.outputs))]
        boxes = next(output for output in outputs if output.ndim == 2 and output.shape[-1] == 4)
        scores = next(output for output in outputs if output.ndim == 1 and 0 < output.max() <= 1.0)
        found = tuple(
            Detection("person", float(score), Box(float(x1), float(y1), float(x2 - x1), float(y2 - y1)))
            for (y1, x1, y2, x2), score in zip(boxes, scores, strict=True)
            if score > 0.3
        )
        return Result(frame.device, model, "1", frame.seq, frame.at, found, cause=frame.cause)


@pytest.fixture
def people(asset) -> SsdLite:
    pytest.importorskip("openvino")
    return SsdLite(next(asset(MODEL).glob("*.xml")))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("name", "size", "least"), [("vtest.avi", (768, 576), 3), ("bikes.mp4", (640, 272), 1)])
async def test_people_in_a_street_are_counted(bench, asset, people, run, name, size, least):
    bench.detector = people
    feed = bench.feed(asset(f"media/{name}"), loop=True, fps=5, minimum=0.3)
    counts = bench.log.inferred
    async with run(feed):
        await bench.log.until(lambda: len(counts()) > 10 and int(counts()[-1].values["person.count"]) >= least, 30)
        view = feed.view
        picture = bench.gallery.by_cause(counts()[-1].cause)
    assert (view.width, view.height) == size
    assert picture[:2] == b"\xff\xd8"
    assert len({r.result.detections for r in counts()}) > 3, "no two pictures give the same boxes"
