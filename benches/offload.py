"""What the offload protocol itself costs on loopback: round trips and frames a second by credit and size of frame.

The door runs here and its client in a process of its own. The detector answers at once and the disk is memory, so what
is left is gRPC, the session and the event loops. `server` is the sum of the durations in each Result.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from itertools import count

import grpc
import grpc.aio

from benches.figures import Figure, percentile, show
from devices.offload.config import OffloadConfig
from devices.offload.ports import Done
from devices.offload.server import OffloadDoor
from runtime.clock import SystemClock
from simulator.wire import offload_pb2 as pb
from twins.exchange import Detection, Frame, Outcome, Result
from twins.stimuli import Stimulus

LOADS = ((1, 7_000), (2, 3_500), (2, 7_000), (2, 60_000), (4, 7_000))
"""Credit, and bytes of a frame."""
STORED = Outcome()


class AtOnce:
    """A detector and an intake that take no time."""

    async def infer(self, model: str, frame: Frame, *, deadline: float | None) -> Result:
        found = (Detection("happy", 0.9),)
        return Result(frame.device, model, "1", frame.seq, frame.at, found, cause=frame.cause)

    async def offer(self, stimuli: Sequence[Stimulus], done: Done | None = None) -> None:
        if done is not None:
            done(STORED)


def main(quick: bool = False) -> list[Figure]:
    """Frames a second and round trips."""
    frames = 300 if quick else 3000
    figures: list[Figure] = []
    for credit, size in LOADS:
        seconds, trips, server = asyncio.run(measured(credit, size, frames))
        title = f"offload: credit {credit}, {size} bytes"
        figures += [
            Figure(title, frames / seconds, "frames/s"),
            Figure(f"{title}: p50", percentile(trips, 0.5) / 1e3, "ms"),
            Figure(f"{title}: p95", percentile(trips, 0.95) / 1e3, "ms"),
            Figure(f"{title}: p95 of the door's own part", percentile(server, 0.95) / 1e3, "ms"),
        ]
    show("offload: frames of a phone and their results over gRPC", figures)
    return figures


async def measured(credit: int, size: int, frames: int) -> tuple[float, list[int], list[int]]:
    """Seconds in all; round trips and the door's share of each, in microseconds, sorted."""
    numbers = count(1)
    config = OffloadConfig(listen="127.0.0.1:0", credit=credit, credit_limit=credit)
    door = OffloadDoor(config, AtOnce(), AtOnce(), SystemClock(), lambda: f"bench:1:{next(numbers)}")
    async with asyncio.TaskGroup() as group:
        running = group.create_task(door.run())
        await door.ready.wait()
        command = (sys.executable, "-m", "benches.offload", "client", door.address, str(size), str(frames))
        client = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        out, _ = await client.communicate()
        running.cancel()
    seconds, trips, server = json.loads(out)
    return seconds, sorted(trips), sorted(server)


async def send(address: str, size: int, frames: int) -> tuple[float, list[int], list[int]]:
    """The client: as many frames under way as there is credit."""
    picture = bytes(size)
    trips: list[int] = []
    server: list[int] = []
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.stream_stream(
            "/gemelo.offload.v1.Offload/Session",
            request_serializer=pb.ClientMessage.SerializeToString,
            response_deserializer=pb.ServerMessage.FromString,
        )()
        await call.write(pb.ClientMessage(hello=pb.Hello(protocol=1, device_id="bench")))
        credit, sent = (await call.read()).welcome.credit, 0
        start = time.perf_counter()
        while len(trips) < frames:
            while credit and sent < frames:
                credit, sent = credit - 1, sent + 1
                stamp = time.monotonic_ns() // 1000
                frame = pb.Frame(seq=sent, client_ts_us=stamp, format=pb.JPEG, data=picture)
                await call.write(pb.ClientMessage(frame=frame))
            result = (await call.read()).result
            if result.seq:
                credit += result.credit
                trips.append(time.monotonic_ns() // 1000 - result.client_ts_us)
                spent = result.durations
                server.append(sum(getattr(spent, stage.name) for stage in spent.DESCRIPTOR.fields))
        return time.perf_counter() - start, trips, server


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        print(json.dumps(asyncio.run(send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))))
    else:
        main("--quick" in sys.argv)
