"""What the senders say they sent, and what they were told of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Fate = Literal["accepted", "rejected", "handed", "unanswered"]
Key = tuple[str, str, int]
"""device, property, time at its source in milliseconds: no sender uses one twice."""
Stored = str | float | None
"""A value as it came back."""


@dataclass
class Message:
    """One message of a device and what it heard of it."""

    device: str
    at: int
    values: dict[str, str]
    telemetry: bool
    fate: Fate = "unanswered"
    tries: int = 0


@dataclass
class Claims:
    """All messages of a fleet."""

    messages: dict[str, Message] = field(default_factory=dict)
    obeyed: int = 0
    answered_again: int = 0

    @classmethod
    def read(cls, path: Path) -> Claims:
        """Take up a fleet's record; a torn last line (a killed sender) is left out."""
        claims = cls()
        for line in lines(path):
            claims._take(line)
        return claims

    def count(self, fate: Fate) -> int:
        return sum(1 for m in self.messages.values() if m.fate == fate)

    def keys(self) -> Iterator[tuple[Key, str, Message]]:
        """Every value that was offered: where it must be, and what it must be."""
        for message in self.messages.values():
            for name, value in message.values.items():
                yield (message.device, name, message.at), value, message

    def last_accepted(self) -> dict[tuple[str, str], list[str]]:
        """The last value of each property that its device was told is kept; then those said later and not answered."""
        last: dict[tuple[str, str], tuple[int, str]] = {}
        for (device, name, at), value, message in self.keys():
            if message.fate == "accepted" and at >= last.get((device, name), (0, ""))[0]:
                last[device, name] = (at, value)
        found = {key: [value] for key, (_, value) in last.items()}
        for (device, name, at), value, message in self.keys():
            if message.fate == "unanswered" and (device, name) in last and at > last[device, name][0]:
                found[device, name].append(value)
        return found

    def _take(self, line: dict[str, Any]) -> None:
        what, event = line["what"], line["event"]
        message = self.messages.get(event)
        if what == "offered":
            self.messages[event] = Message(line["device"], line["at"], line["values"], line["kind"] == "telemetry")
        elif what == "obeyed":
            self.obeyed += 1
        elif what == "answered-again":
            self.answered_again += 1
        elif message is not None and what in {"accepted", "rejected", "handed"}:
            message.fate = what
            message.tries = line.get("tries", 1)


@dataclass
class Frames:
    """All frames of a phone: by number, the status it was told, `sent` while it was told none."""

    device: str = ""
    status: dict[int, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Frames:
        frames = cls()
        for line in lines(path):
            frames.device = frames.device or line.get("device", "")
            if line["event"] == "sent":
                frames.status[line["seq"]] = "sent"
            elif line["event"] == "result":
                frames.status[line["seq"]] = line["status"]
        return frames

    def count(self, *statuses: str) -> int:
        return sum(1 for status in self.status.values() if status in statuses)


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON lines of a record."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                yield found
