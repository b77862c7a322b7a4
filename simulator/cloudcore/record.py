"""Everything received, in order: one JSON line each, on disk before the answer leaves.

So whatever an edge holds for confirmed is in the file. The file grows for as long as the stand-in runs.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Record:
    """`received.jsonl`: `time` in microseconds UTC, `node`, the message, and the stand-in's `verdict`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("a", encoding="utf-8")
        self.counts: Counter[str] = Counter()
        self.watchers: list[Callable[[dict[str, Any]], None]] = []

    def add(self, node: str, verdict: str, message: dict[str, Any], **more: object) -> None:
        """Write one line; `verdict` says what became of the message."""
        self.counts[verdict] += 1
        line = {"time": time.time_ns() // 1000, "node": node, "verdict": verdict, **more, **message}
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
        self._file.flush()
        for watcher in self.watchers:
            watcher(line)

    def lines(self, since: int) -> str:
        """The lines from the `since`-th on."""
        with self._path.open(encoding="utf-8") as file:
            return "".join(line for index, line in enumerate(file) if index >= since)

    def close(self) -> None:
        self._file.close()
