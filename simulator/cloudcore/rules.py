"""The topics that the rule router wants to hear, by node. They outlive CloudCore, which may have them late."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path


class Rules:
    """Kept in a file. `ask` tells a node, where it is linked, that a topic is wanted."""

    def __init__(self, path: Path, ask: Callable[[str, str], object]) -> None:
        self._path = path
        self._ask = ask
        self._kept: set[tuple[str, str]] = set()
        if path.exists():
            self._kept = {(node, topic) for node, topic in json.loads(path.read_text())}
        self._late = set(self._kept)

    def add(self, node: str, topic: str) -> None:
        """A rule was made."""
        self._kept.add((node, topic))
        self._keep()

    def remove(self, node: str, topic: str) -> None:
        self._kept.discard((node, topic))
        self._late.discard((node, topic))
        self._keep()

    def late(self, node: str, topic: str) -> bool:
        """There is a rule, and the router has it not yet: what comes up is lost."""
        return (node, topic) in self._late

    async def load(self, seconds: float) -> None:
        """The router has its rules so many seconds after the start."""
        await asyncio.sleep(seconds)
        late, self._late = self._late, set()
        for node, topic in sorted(late):
            self._ask(node, topic)

    def _keep(self) -> None:
        self._path.write_text(json.dumps(sorted(self._kept)))
