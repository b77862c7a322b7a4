"""A picture's whole way: a simulated phone, real gRPC, YuNet and mini-XCEPTION in OpenVINO; the disk is a double."""

from __future__ import annotations

import asyncio
import shutil
from itertools import count
from pathlib import Path

import pytest

from devices.offload.config import OffloadConfig
from devices.offload.server import OffloadDoor
from inference.depot import Depot
from inference.serving import Inference
from runtime.clock import SystemClock
from simulator.phone.handset import Handset
from simulator.phone.options import PhoneOptions
from tests.devices.offload.doubles import MemoryIntake
from twins.stimuli import Inferred


@pytest.fixture
def depot(assets: Path, tmp_path: Path) -> Depot:
    """A depot that holds the two models of `face-emotion`, as a pull would leave them."""
    pytest.importorskip("openvino", reason="gemelo[vision] is not installed")
    depot = Depot(tmp_path)
    depot.folder.mkdir(parents=True, exist_ok=True)
    for name in ("face-yunet", "emotion-mini-xception"):
        shutil.copy(assets / "models" / "onnx" / depot.catalogue.entry(name).file, depot.folder)
    return depot


async def test_a_smile_is_found_in_every_crop_of_a_few_kilobytes(
    depot: Depot, assets: Path, intake: MemoryIntake
) -> None:
    clock, numbers = SystemClock(), count(1)
    inference = Inference(depot, clock)
    config = OffloadConfig(listen="127.0.0.1:0")
    door = OffloadDoor(config, intake, inference, clock, lambda: f"phone:1:{next(numbers)}", inference.models)
    face = f"{assets / 'media' / 'astronaut.png'}@0.33,0.05,0.25,0.3"
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(inference.run()), group.create_task(door.run())]
        async with asyncio.timeout(10):
            await door.ready.wait()
        await inference.load("face-emotion")
        report = await Handset(PhoneOptions(door.address, (face,), fps=30, duration=2.0, side=128, seed=1)).run()
        for task in tasks:
            task.cancel()
    stored = [stimulus for stimulus in intake.stored if isinstance(stimulus, Inferred)]
    assert report.statuses == {"OK": report.sent}
    assert len(stored) == report.sent >= 10
    assert report.labels.most_common(1)[0][0] == "happy"
    assert report.labels["happy"] > 0.9 * report.sent
    assert report.bytes / report.sent < 4096
    assert all(stimulus.result.infer_us > 0 for stimulus in stored)
    assert report.network_us
    assert min(report.network_us) >= 0
    trips = sorted(report.rtt_us)
    half, most = (trips[int(part * len(trips))] / 1000 for part in (0.5, 0.95))
    print(f"{report.sent} crops of {report.bytes // report.sent} bytes: p50 {half:.1f} ms, p95 {most:.1f} ms")
