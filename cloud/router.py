"""When CloudCore's rule router can hear.

A CloudCore that was just started takes links before it has all of its rules (v1.23: one that comes before its endpoint
is tried again 5 s later), and drops without a word what no rule wants yet. A rule that comes asks for its topic.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress

from runtime.clock import Clock


class Router:
    """As seen by one link: `within` seconds after its beginning all rules are there."""

    def __init__(self, clock: Clock, within: float) -> None:
        self._clock = clock
        self._ready = clock.monotonic() + within
        self._asked: set[str] = set()
        self._news = asyncio.Event()

    def asks(self, topic: str) -> None:
        """A rule wants this topic."""
        self._asked.add(topic)
        self._news.set()

    async def hears(self, topics: Collection[str]) -> None:
        """Return when what is said on these topics finds its rule, if there is one."""
        while not self._asked.issuperset(topics) and (left := self._ready - self._clock.monotonic()) > 0:
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._news.wait()
