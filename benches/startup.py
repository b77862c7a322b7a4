"""How long does a person wait: for the page, for a gateway of many devices that starts again, for the demo's value?"""

from __future__ import annotations

import asyncio
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from benches.figures import Figure, show
from benches.messages import NOW
from benches.stage import OFF, ROOT, free_port, gateway, models
from runtime.clock import SystemClock
from store.journal import Journal
from twins.exchange import Batch
from twins.values import Property, Twin, Value, Version

DEVICES, PROPERTIES = 10_000, 10
_FIRST = re.compile(r"first value after ([0-9.]+) s")


def main(quick: bool = False) -> list[Figure]:
    """Seconds from the start of the process. The page is there when it answers, the gateway when `/readyz` says so."""
    times = [_start() for _ in range(2 if quick else 5)]
    figures = [
        Figure("cold start to the page, no models (median)", statistics.median(times), "s", "≤ 3"),
        Figure("cold start to the page, the slowest", max(times), "s", "≤ 3"),
        Figure(f"restart with {DEVICES:,} devices of {PROPERTIES} properties", _restart(), "s", "≤ 3"),
    ]
    if models() is None:
        print("the demo is left out: its models and media are not here, fetch them with `gemelo demo` or `model pull`")
    else:
        figures.append(Figure("gemelo demo to its first live value", _demo(), "s", "≤ 5"))
    show("startup", figures)
    return figures


def _start() -> float:
    with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as folder, gateway(Path(folder), _sections()) as running:
        return running.seconds


def _restart() -> float:
    with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as folder:
        asyncio.run(fill(Path(folder) / "data"))
        with gateway(Path(folder), _sections()) as running:
            return running.seconds


async def fill(folder: Path) -> None:
    """Leave on disk what a gateway with so many devices has there."""
    encode = msgspec.msgpack.encode
    value = Property(Value("21.5", NOW, Version(3, 0)), Value("20.0", NOW, Version(1, 0)), "float")
    properties = {f"property-{n}": value for n in range(PROPERTIES)}
    devices = [f"default/device-{n}" for n in range(DEVICES)]
    journal = Journal(folder, SystemClock())
    await journal.open()
    try:
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(journal.run())
            twins = {device: encode(Twin(device, properties, joined=NOW, seen=NOW)) for device in devices}
            await journal.committed(journal.append(Batch(twins=dict(twins))))
            writer.cancel()
    finally:
        await journal.close()


def _demo() -> float:
    """As `gemelo demo` itself tells it."""
    command = [sys.executable, "-m", "gateway.cli", "demo", "--for", "3s"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, timeout=120, check=False)
    found = _FIRST.search(done.stdout.decode())
    return float(found[1]) if found else float("nan")


def _sections() -> str:
    return f'[broker]\nlisten = "127.0.0.1:{free_port()}"\nanonymous = true\n{OFF}'


if __name__ == "__main__":
    main("--quick" in sys.argv)
