"""A sender's own record: one JSON line for what it sent and one for what it heard, flushed as it happens.

The ledger holds these against what is read back from the store and from the cloud; nobody's counters are asked.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any


class Record:
    """Appends lines to a file; without a path it keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self._file = None if path is None else path.open("a", buffering=1, encoding="utf-8")

    def write(self, what: str, device: str, event: str, **fields: Any) -> None:
        """One line: `what` happened to message `event` of `device`, at the wall time in milliseconds."""
        if self._file is not None:
            line = {"what": what, "device": device, "event": event, "ms": time.time_ns() // 1_000_000, **fields}
            self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
