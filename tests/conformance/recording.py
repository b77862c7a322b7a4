"""Recorded traffic of a real EdgeCore: what was said to it, and what it answered to each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

_SENT = re.compile(r">> (MQTT|HTTP PUT|HTTP DELETE) (\S+)")
_CAME = re.compile(r"<< MQTT (\S+)\s+\[\+")
WAYS: dict[str, Literal["mqtt", "cloud"]] = {"MQTT": "mqtt", "HTTP PUT": "cloud", "HTTP DELETE": "cloud"}


class Exchange(Struct, frozen=True):
    """One message to EdgeCore and all that came of it. `topic` is empty for one that stands for the cloud."""

    file: str
    title: str
    way: Literal["mqtt", "cloud"]
    topic: str
    payload: str
    answers: tuple[tuple[str, Any], ...]


def exchanges(folder: Path) -> list[Exchange]:
    """All recorded exchanges, in the order of the files."""
    return [one for file in sorted(folder.glob("*.txt")) for one in _read(file)]


def _read(file: Path) -> Iterator[Exchange]:
    for part in re.split(r"^### ", file.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        sent = next(((n, m) for n, line in enumerate(lines) if (m := _SENT.match(line))), None)
        if sent is None:
            continue  # a remark of whoever recorded it
        number, match = sent
        came = [(m[1], lines[n + 1]) for n, line in enumerate(lines) if (m := _CAME.match(line))]
        yield Exchange(
            file.stem,
            lines[0].strip(),
            WAYS[match[1]],
            match[2] if match[1] == "MQTT" else "",
            lines[number + 1].strip(),
            tuple((topic, json.loads(body)) for topic, body in came),
        )
