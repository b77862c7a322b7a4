"""What a check sees and what it says."""

from __future__ import annotations

import importlib.util
import os
import resource
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from shlex import quote
from typing import Literal

from msgspec import Struct

from gateway.config import Config

Verdict = Literal["ok", "warning", "failure"]


class Finding(Struct, frozen=True):
    """One line of the answer. `fix` is one command that mends it, for everything that is not ok."""

    name: str
    verdict: Verdict
    message: str
    fix: str = ""


class Machine(Struct, frozen=True):
    """This computer, as far as checks ask it; tests put other answers in."""

    free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free
    now: Callable[[], float] = time.time
    open_files: Callable[[], int] = lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    has_module: Callable[[str], bool] = lambda name: importlib.util.find_spec(name) is not None
    which: Callable[[str], str | None] = lambda name: shutil.which(
        name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
    )


class Subject(Struct, frozen=True):
    """What is checked: a configuration, the file it came from, and the machine it is to run on."""

    config: Config
    file: Path
    machine: Machine = Machine()


Check = Callable[[Subject], Iterable[Finding]]


def ok(name: str, message: str) -> Finding:
    return Finding(name, "ok", message)


def warning(name: str, message: str, fix: str) -> Finding:
    return Finding(name, "warning", message, fix)


def failure(name: str, message: str, fix: str) -> Finding:
    return Finding(name, "failure", message, fix)


def edit(subject: Subject) -> str:
    """The command that mends what only a person can decide."""
    return f"${{EDITOR:-vi}} {quote(str(subject.file))}"


def existing(path: Path) -> Path:
    """The path, or its nearest parent that is there and that we may see."""
    while not os.path.exists(path) and path != path.parent:  # noqa: PTH110 - Path.exists raises without rights
        path = path.parent
    return path
