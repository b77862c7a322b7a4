"""The process that makes a forecast, seen from the gateway: one for each, niced, ended when it is late."""

from __future__ import annotations

import asyncio
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import msgspec

from learning.forecasting.task import Answer, Task, encode, read_answer
from twins.errors import Unavailable

DEADLINE = 300.0
"""Seconds; it takes some five on a fast core."""
NEEDED = ("statsmodels", "numpy")
_ROOT = str(Path(__file__).resolve().parents[2])
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


async def answer(task: Task, deadline: float = DEADLINE) -> Answer:
    """What the process says. Raises `Unavailable` when it can't be started, is too late, or dies."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        message = f"{missing[0]} is not installed: pip install 'gemelo[learning]'"
        raise Unavailable(message)
    path = os.pathsep.join([_ROOT, *filter(None, sys.path)])
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "learning.forecasting.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | _ENVIRONMENT | {"PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C is for the gateway
        )
    except OSError as error:
        message = f"no process for forecasts can be started: {error.strerror}"
        raise Unavailable(message) from error
    try:
        async with asyncio.timeout(deadline):
            said, complaint = await process.communicate(encode(task))
    except TimeoutError:
        message = f"the process for forecasts took longer than {deadline:g} s: fewer steps of history make it faster"
        raise Unavailable(message) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        return cast("Answer", read_answer(said))  # msgspec's decoder of a union says Any
    except msgspec.MsgspecError:
        lines = complaint.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        message = f"the process for forecasts ended with code {process.returncode}: {lines[-1][:300]}"
        raise Unavailable(message) from None
