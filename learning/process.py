"""A process that answers one task, seen from the gateway: one for each, niced by itself, ended when it is late."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from twins.errors import Unavailable

_ROOT = str(Path(__file__).resolve().parents[1])
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


async def answer(worker: str, name: str, task: bytes, needed: Sequence[str], deadline: float) -> tuple[bytes, str]:
    """What the module `worker` says to the task, and how it ended, for people; `name` says what it is for.

    Raises `Unavailable` when a package that is needed is missing, when it can't be started, or is too late.
    """
    missing = [package for package in needed if find_spec(package) is None]
    if missing:
        message = f"{missing[0]} is not installed: pip install 'gemelo[learning]'"
        raise Unavailable(message)
    path = os.pathsep.join([_ROOT, *filter(None, sys.path)])
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", worker),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | _ENVIRONMENT | {"PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C is for the gateway
        )
    except OSError as error:
        message = f"no process for {name} can be started: {error.strerror}"
        raise Unavailable(message) from error
    try:
        async with asyncio.timeout(deadline):
            said, complaint = await process.communicate(task)
    except TimeoutError:
        message = f"the process for {name} took longer than {deadline:g} s: a shorter history makes it faster"
        raise Unavailable(message) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    lines = complaint.decode(errors="replace").strip().splitlines() or ["it said nothing"]
    return said, f"the process for {name} ended with code {process.returncode}: {lines[-1][:300]}"
