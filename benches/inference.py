"""What one picture costs: each network alone, and each pipeline from an encoded frame to a result.

    python -m benches.inference DEPOT [PICTURE …]

DEPOT is a folder into which the default models were pulled; without PICTURE the depot's astronaut is looked at.
Prints medians and 95th percentiles in milliseconds with the conditions they were measured under.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import openvino

from inference import emotion, persons, yunet
from inference.depot import Depot
from inference.network import Network
from inference.serving import Inference, Settings
from runtime.clock import SystemClock
from twins.errors import Dropped
from twins.exchange import Frame, Result

RUNS = 200
WORKERS, THREADS = 2, 1
SOURCES, FRAMES_A_SECOND, SECONDS, DEADLINE = 8, 30, 5, 0.2
NETWORKS = (
    ("face-yunet", yunet.SHAPE, np.float32),
    ("emotion-mini-xception", emotion.SHAPE, np.float32),
    ("person-ssdlite", persons.SHAPE, np.uint8),
)


def main(depot: Depot, pictures: list[Path]) -> None:
    print(f"{_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"OpenVINO {openvino.__version__}, Python {platform.python_version()}")
    print(f"{WORKERS} workers, {THREADS} thread a network, {RUNS} runs each\n")
    print(f"{'network':34} {'ms p50':>8} {'ms p95':>8} {'load s':>8}  precision")
    for name, shape, kind in NETWORKS:
        started = time.perf_counter()
        network = Network(depot.need(name), shape, SystemClock(), threads=THREADS)
        loaded = time.perf_counter() - started
        tensor = np.random.default_rng(1).integers(0, 255, shape).astype(kind)
        print(f"{name:34} {_figures([network.run(tensor)[1] for _ in range(RUNS)])} {loaded:8.2f}  {network.precision}")
    asyncio.run(_pipelines(depot, {path.name: path.read_bytes() for path in pictures}))
    print(f"\nresident at the end: {_resident() / 1e6:.0f} MB")


async def _pipelines(depot: Depot, pictures: dict[str, bytes]) -> None:
    inference = Inference(depot, SystemClock(), Settings(workers=WORKERS, threads=THREADS))
    async with asyncio.TaskGroup() as group:
        runner = group.create_task(inference.run())
        await asyncio.sleep(0)
        for model in ("face-emotion", "persons"):
            for name, data in pictures.items():
                results = [await _look(inference, model, data, number) for number in range(RUNS)]
                size = f"{results[0][1].width}x{results[0][1].height}"
                print(f"\n{model}, {name} {size}, {len(results[0][1].detections)} detections")
                _stage("from frame to result", (seconds for seconds, _ in results))
                for stage in ("queue", "decode", "infer", "post"):
                    _stage(f"  {stage}", (_stage_of(result, stage) for _, result in results))
        await _overload(inference, "face-emotion", next(iter(pictures.values())))
        runner.cancel()


async def _overload(inference: Inference, model: str, data: bytes) -> None:
    """More frames than can be looked at: what is answered must stay quick, the rest be accounted for."""
    taken: list[float] = []
    before = inference.counts()[model]

    async def camera(number: int) -> None:
        async with asyncio.TaskGroup() as group:
            for seq in range(FRAMES_A_SECOND * SECONDS):
                group.create_task(offer(f"bench/camera-{number}", seq))
                await asyncio.sleep(1 / FRAMES_A_SECOND)

    async def offer(device: str, seq: int) -> None:
        started = time.monotonic()
        with contextlib.suppress(Dropped):
            await inference.infer(model, Frame(device, seq, 0, started, 0, 0, "jpeg", data), deadline=DEADLINE)
            taken.append(time.monotonic() - started)

    async with asyncio.TaskGroup() as group:
        for number in range(SOURCES):
            group.create_task(camera(number))
    after = inference.counts()[model]
    offered, done, dropped = after.offered - before.offered, after.done - before.done, after.dropped - before.dropped
    print(
        f"\n{model}, {SOURCES} sources of {FRAMES_A_SECOND} frames/s for {SECONDS} s, deadline {DEADLINE * 1000:.0f} ms"
    )
    _stage("from frame to result", taken)
    print(f"  offered {offered} = done {done} + dropped {dropped} {after.drops}, {done / SECONDS:.0f} results/s")


async def _look(inference: Inference, model: str, data: bytes, number: int) -> tuple[float, Result]:
    started = time.monotonic()
    frame = Frame("bench/camera", number, 0, started, 0, 0, "jpeg", data)
    result = await inference.infer(model, frame)
    return time.monotonic() - started, result


def _stage_of(result: Result, stage: str) -> float:
    return float(getattr(result, f"{stage}_us")) / 1e6


def _stage(name: str, seconds: Iterable[float]) -> None:
    print(f"{name:34} {_figures(list(seconds))}")


def _figures(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:8.2f} {statistics.quantiles(seconds, n=20)[-1] * 1000:8.2f}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.machine())


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    place = Depot(Path(sys.argv[1]))
    main(place, [Path(name) for name in sys.argv[2:]] or [place.need("astronaut.png")])
