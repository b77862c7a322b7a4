"""What one picture costs: each network alone, and each pipeline from an encoded frame to a result.

The default models have to be here (`gemelo model pull`); the picture is the demo's astronaut.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Sequence

import numpy as np

from benches.figures import Figure, percentile, show
from benches.stage import models
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


def main(quick: bool = False) -> list[Figure]:
    """Milliseconds; none when the default models are not here."""
    folder = models()
    if folder is None:
        print("inference is left out: the default models are not here, fetch them with `gemelo model pull`")
        return []
    runs = 20 if quick else RUNS
    depot = Depot(folder)
    figures: list[Figure] = []
    for name, shape, kind in NETWORKS:
        started = time.perf_counter()
        network = Network(depot.need(name), shape, SystemClock(), threads=THREADS)
        loaded = time.perf_counter() - started
        tensor = np.random.default_rng(1).integers(0, 255, shape).astype(kind)
        title = f"inference: {name}, {network.precision}"
        figures.append(Figure(f"{title}: loaded in", loaded, "s"))
        figures += _stage(title, [network.run(tensor)[1] for _ in range(runs)])
    figures += asyncio.run(_pipelines(depot, depot.need("astronaut.png").read_bytes(), runs, 1 if quick else SECONDS))
    show(f"inference: {WORKERS} workers, {THREADS} thread a network, {runs} runs each", figures)
    return figures


async def _pipelines(depot: Depot, picture: bytes, runs: int, seconds: int) -> list[Figure]:
    inference = Inference(depot, SystemClock(), Settings(workers=WORKERS, threads=THREADS))
    figures: list[Figure] = []
    async with asyncio.TaskGroup() as group:
        runner = group.create_task(inference.run())
        await asyncio.sleep(0)
        for model in ("face-emotion", "persons"):
            results = [await _look(inference, model, picture, number) for number in range(runs)]
            title = f"inference: {model}, {results[0][1].width}x{results[0][1].height}"
            figures += _stage(f"{title}, frame to result", [seconds for seconds, _ in results])
            for stage in ("queue", "decode", "infer", "post"):
                figures += _stage(f"{title}, {stage}", [_stage_of(result, stage) for _, result in results])
        figures += await _overload(inference, "face-emotion", picture, seconds)
        runner.cancel()
    return figures


async def _overload(inference: Inference, model: str, data: bytes, seconds: int) -> list[Figure]:
    """More frames than can be looked at: what is answered must stay quick, the rest be accounted for."""
    taken: list[float] = []
    before = inference.counts()[model]

    async def camera(number: int) -> None:
        async with asyncio.TaskGroup() as group:
            for seq in range(FRAMES_A_SECOND * seconds):
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
    title = f"inference: {model}, {SOURCES} sources of {FRAMES_A_SECOND}/s"
    return [
        *_stage(f"{title}, frame to result", taken),
        Figure(f"{title}, results", done / seconds, "1/s"),
        Figure(f"{title}, offered - done - dropped", offered - done - dropped, "frames", "0"),
    ]


async def _look(inference: Inference, model: str, data: bytes, number: int) -> tuple[float, Result]:
    started = time.monotonic()
    frame = Frame("bench/camera", number, 0, started, 0, 0, "jpeg", data)
    result = await inference.infer(model, frame)
    return time.monotonic() - started, result


def _stage_of(result: Result, stage: str) -> float:
    return float(getattr(result, f"{stage}_us")) / 1e6


def _stage(title: str, seconds: Sequence[float]) -> list[Figure]:
    ordered = sorted(seconds)
    return [
        Figure(f"{title}: p50", percentile(ordered, 0.5) * 1e3, "ms"),
        Figure(f"{title}: p95", percentile(ordered, 0.95) * 1e3, "ms"),
    ]


if __name__ == "__main__":
    main("--quick" in sys.argv)
