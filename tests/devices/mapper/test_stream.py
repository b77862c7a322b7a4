from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("av")
pytest.importorskip("PIL")

from devices.mapper.drivers.virtual import Virtual
from devices.mapper.stream import Saving, save, saving_of, stamp
from runtime.clock import SystemClock
from tests.devices.mapper import manager as double
from tests.devices.mapper.conftest import Runs
from tests.devices.mapper.manager import Manager
from twins.errors import Rejected, Unavailable


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Five gray pictures."""
    import av
    import numpy as np

    path = tmp_path / "gray.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        for shade in range(0, 250, 50):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), shade, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def announce(manager: Manager, name: str, source: Path, folder: Path, **visitor: Any) -> None:
    """A camera, which the virtual driver stands for: it reads where its stream is."""
    asked = {"mode": "constant", "value": str(source), "outputDir": str(folder), "format": "jpg"} | visitor
    properties = [{"name": name, "type": "STREAM", "accessMode": "ReadOnly"}]
    manager.models["camera"] = double.model({"metadata": {"name": "camera"}, "spec": {"properties": properties}})
    manager.devices["c1"] = double.device(
        {
            "metadata": {"name": "c1"},
            "spec": {
                "deviceModelRef": {"name": "camera"},
                "protocol": {"protocolName": "virtual"},
                "properties": [{"name": name, "reportToCloud": True, "visitors": {"configData": asked}}],
            },
        }
    )


class Heard(logging.Handler):
    """Tells when a line was logged that holds a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.happened = asyncio.Event()
        self._text = text

    def emit(self, record: logging.LogRecord) -> None:
        if self._text in record.getMessage():
            self.happened.set()


async def test_map_11_frames_are_saved(
    video: Path, manager: Manager, runs: Runs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from PIL import Image

    caplog.set_level(logging.INFO)
    heard = Heard("default/c1: 3 pictures")
    logging.getLogger("devices.mapper.worker").addHandler(heard)
    folder = tmp_path / "frames"
    announce(manager, "saveFrame", video, folder, frameCount=3, frameInterval=1_000_000, videoNum=0)
    try:
        async with runs(Virtual), asyncio.timeout(20):
            await heard.happened.wait()
    finally:
        logging.getLogger("devices.mapper.worker").removeHandler(heard)
    files = sorted(folder.iterdir())
    assert len(files) == 3
    for file in files:
        assert re.fullmatch(r"f\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z\.jpg", file.name)
        with Image.open(file) as picture:
            assert (picture.format, picture.size) == ("JPEG", (32, 32))
    assert manager.reports == []  # nothing of it is reported


async def test_a_stream_that_is_not_there_is_told(manager: Manager, runs: Runs, tmp_path: Path) -> None:
    announce(manager, "saveFrame", tmp_path / "none.mp4", tmp_path)
    async with runs(Virtual):
        await manager.until(lambda: manager.states and manager.states[-1][1] == "unhealthy")
    assert manager.states[-2][2].startswith("saveFrame: file missing")


async def test_a_video_is_not_saved_and_that_is_told(video: Path, manager: Manager, runs: Runs, tmp_path: Path) -> None:
    announce(manager, "saveVideo", video, tmp_path)
    async with runs(Virtual):
        await manager.until(lambda: manager.states and manager.states[-1][1] == "unhealthy")
    assert "saveVideo is not done" in manager.states[-2][2]


async def test_a_stream_that_ends_too_early_is_told(video: Path, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="ended after 5 of 9 pictures"):
        await save(str(video), Saving(str(tmp_path / "f"), "png", 9), SystemClock())
    assert len(list((tmp_path / "f").iterdir())) == 5


async def test_the_interval_is_kept(video: Path, tmp_path: Path) -> None:
    saving = Saving(str(tmp_path), frameCount=2, frameInterval=400_000_000)
    assert len(await save(str(video), saving, SystemClock())) == 2
    with pytest.raises(Unavailable, match="after 3 of 4"):  # of five pictures 0.2 s apart every second one
        await save(str(video), Saving(str(tmp_path), frameCount=4, frameInterval=400_000_000), SystemClock())


async def test_a_folder_that_cannot_be_had_is_told(video: Path) -> None:
    with pytest.raises(Unavailable, match="choose another outputDir"):
        await save(str(video), Saving("/proc/none"), SystemClock())


def test_what_is_asked_of_a_stream_is_checked() -> None:
    assert saving_of("saveFrame", {"outputDir": "x", "frameCount": 3, "url": "the driver's"}) == Saving("x", "jpg", 3)
    with pytest.raises(Rejected, match="outputDir: missing"):
        saving_of("saveFrame", {})
    with pytest.raises(Rejected, match="format"):
        saving_of("saveFrame", {"outputDir": "x", "format": "exe"})


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (1_700_000_000_000_000, "2023-11-14T22:13:20Z"),
        (1_700_000_000_120_000, "2023-11-14T22:13:20.12Z"),
        (1_700_000_000_000_001, "2023-11-14T22:13:20.000001Z"),
    ],
)
def test_a_stamp_is_that_of_go(now: int, text: str) -> None:
    assert stamp(now) == text
