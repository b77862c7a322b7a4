"""The process in which queries run: `python -m store.sql.worker FD SETTING`, started by `store.sql.process`.

DuckDB's own limit of memory leaves out lists, texts and aggregates that grow outside of its buffers, and a query inside
one operator hears no interrupt. So the system bounds both: address space by RLIMIT_AS, time by an alarm that no library
can put off. The gateway only ever loses this process.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from store.sql import question
from store.sql.query import answer
from store.sql.question import Setting
from store.sql.sources import Sources

_SPARE = 256 * 1024 * 1024
"""Address space beside DuckDB's memory: Arrow's tables, Python's rows, stacks of threads."""
_GRACE = 1.0
_NICE = 5
"""Where the gateway and a query want the same core, the gateway has three parts of four."""


def main(descriptor: int, setting: Setting) -> None:
    """Answer questions until the other end closes."""
    os.nice(_NICE)
    logging.disable(logging.ERROR)  # the gateway tells what is wrong with a segment, once
    sources = Sources(setting.node, Path(setting.file), Path(setting.directory), setting.memory)
    sources.warm()
    _limit(setting.memory * 1024 * 1024 + _SPARE)
    connection = Connection(descriptor)
    connection.send_bytes(b"ready")
    while True:
        try:
            asked = question.question(connection.recv_bytes())
        except EOFError:
            return
        # The gateway ends a query that is late; without a gateway (killed) the alarm does.
        signal.setitimer(signal.ITIMER_REAL, asked.deadline + _GRACE)
        answered, body = answer(sources, asked)
        connection.send_bytes(question.encode(answered))
        if isinstance(answered, question.Answer) and asked.form != "rows":
            connection.send_bytes(body)
        signal.setitimer(signal.ITIMER_REAL, 0)
        if isinstance(answered, question.Refused) and answered.final:
            return


def _limit(more: int) -> None:
    """No more address space than is used now and `more`, and no core file: it would hold what devices told."""
    used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + more, used + more))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main(int(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Setting))
