"""Processes for queries, seen from the gateway: started when first needed, kept warm, ended when a query is late."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from store.columns import Columns
from store.sql import question
from store.sql.question import Answer, Known, Question, Refused, Setting, Unreadable
from twins.errors import Rejected, Unavailable

_LOOK = 0.02
_ROOT = str(Path(__file__).resolve().parents[2])
_ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "2",  # an arena reserves 64 MiB of address space, which is what is limited
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


class Unpacked(Struct, frozen=True):
    """A question, and the points in memory it may see, not packed yet."""

    question: Question
    points: bool
    chunks: tuple[Columns, ...]
    series: Sequence[str]


class Process:
    """One process. `ask` in one thread at a time; `stopped`, set from anywhere, ends it within 20 ms."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._ready = False
        self._version: int | None = None
        self._chunks: Sequence[Columns] = ()
        self._series = 0

    def start(self) -> None:
        """Start it, if it is not there; it gets ready by itself. Raises Unavailable."""
        if self._process is not None:
            return
        ours, theirs = Pipe()
        words = [
            sys.executable,
            "-m",
            "store.sql.worker",
            str(theirs.fileno()),
            msgspec.json.encode(self._setting).decode(),
        ]
        path = os.pathsep.join([_ROOT, *filter(None, sys.path)])
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this program
                words,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=os.environ | _ENVIRONMENT | {"PYTHONPATH": path},
                process_group=0,  # Ctrl-C is for the gateway, whose end it sees
            )
        except OSError as error:
            ours.close()
            message = f"no process for queries can be started: {error.strerror}"
            raise Unavailable(message) from error
        finally:
            theirs.close()
        self._connection, self._ready, self._version = ours, False, None
        self._chunks, self._series = (), 0

    def ask(self, asked: Unpacked, stopped: threading.Event) -> tuple[Answer | Unreadable, bytes]:
        """The answer, and its bytes in the form asked for. Raises Rejected or Unavailable."""
        self._wait_ready(stopped)
        try:
            changed = self._changed(asked)
            packed = question.encode(structs.replace(asked.question, known=changed))
        except (OverflowError, UnicodeEncodeError) as error:
            reason = f"a parameter cannot be taken: {error}"
            raise Rejected(reason) from error
        try:
            assert self._connection is not None
            self._connection.send_bytes(packed)
            answer: Answer | Refused | Unreadable = question.reply(self._received(stopped))
            follows = isinstance(answer, Answer) and asked.question.form != "rows"
            body = self._received(stopped) if follows else b""
        except (OSError, EOFError, msgspec.MsgspecError):
            self._restart()
            reason = "the query ended its process: it needs more memory than queries may have"
            raise Rejected(reason, 413) from None
        if changed is not None:
            self._version, self._chunks, self._series = (
                asked.question.version,
                asked.chunks,
                self._series + len(changed.series),
            )
        if isinstance(answer, Refused):
            if answer.final:
                self._restart()
            raise Rejected(answer.reason, answer.code)
        return answer, body

    def end(self) -> None:
        """Kill it and wait for it."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._connection = None

    def _restart(self) -> None:
        """Another process, at once: it is warm when the next query comes."""
        self.end()
        self.start()

    def _wait_ready(self, stopped: threading.Event) -> None:
        """Let a process that starts go on starting, even if this query cannot wait so long."""
        self.start()
        assert self._connection is not None
        try:
            while not self._ready:
                if stopped.is_set():
                    raise _stopped()
                if self._connection.poll(_LOOK):
                    self._connection.recv_bytes()
                    self._ready = True
        except (OSError, EOFError):
            self.end()
            message = "the process for queries does not start: see the gateway's log"
            raise Unavailable(message) from None

    def _received(self, stopped: threading.Event) -> bytes:
        assert self._connection is not None
        while not self._connection.poll(_LOOK):
            if stopped.is_set():
                self._restart()
                raise _stopped()
        return self._connection.recv_bytes()

    def _changed(self, asked: Unpacked) -> Known | None:
        """What changed of the points in memory since the process was told of them."""
        if not asked.points or asked.question.version == self._version:
            return None
        start, stop = _shared(self._chunks, asked.chunks)
        chunks = [chunk.pack() for chunk in asked.chunks[stop - start :]]
        return Known(start, stop, chunks, list(asked.series[self._series :]))


def _shared(known: Sequence[Columns], wanted: Sequence[Columns]) -> tuple[int, int]:
    """Where in `known` the beginning of `wanted` is: what was sealed is gone there, what is full never changes."""
    if not wanted:
        return 0, 0
    start = next((place for place, chunk in enumerate(known) if chunk is wanted[0]), len(known))
    stop = start
    while stop < len(known) and stop - start < len(wanted) and known[stop] is wanted[stop - start]:
        stop += 1
    return start, stop


def _stopped() -> Rejected:
    return Rejected("the query was stopped", 408)
