"""Nodes that are asked to be born again: each once in a while, one after another."""

from __future__ import annotations

import logging
from collections.abc import Callable

from devices.sparkplug import datatype as types
from devices.sparkplug.heard import SparkplugCounts
from devices.sparkplug.sessions import NODES, REBIRTH
from devices.sparkplug.topic import Place
from gateway.sparkplug.voice import Messages
from runtime.clock import Clock
from runtime.mailbox import Mailbox, Policy

logger = logging.getLogger(__name__)

WAITING = 4096
"""Nodes that wait to be asked."""
PATIENCE = 10.0
"""Seconds in which a node is asked for its birth once."""
PACE = 0.05
"""Seconds between two nodes that are asked: after a start every one is, and each answers with all it has."""
_SHOWN = 200


class Rebirths:
    """Asks by `say`, and counts in `counts`."""

    def __init__(self, counts: SparkplugCounts, say: Callable[[Messages], None], clock: Clock) -> None:
        self._counts = counts
        self._say = say
        self._clock = clock
        self._asked: dict[Place, float] = {}
        self._asks: Mailbox[Place] = Mailbox("rebirths", WAITING, Policy.KEEP_LATEST, key=lambda place: place)

    def ask(self, node: Place, reason: str) -> None:
        """Ask a node for its birth, unless that was done a moment ago."""
        now = self._clock.monotonic()
        if now - self._asked.get(node, -PATIENCE) < PATIENCE:
            self._counts.held += 1
            return
        self._asked.pop(node, None)
        while len(self._asked) >= NODES:
            del self._asked[next(iter(self._asked))]
        self._asked[node] = now
        self._counts.asked += 1
        logger.info("node %s is asked for its birth: %s", node.source[:_SHOWN], reason)
        self._asks.offer_nowait(node)

    async def run(self) -> None:
        """Say what was asked, until cancelled."""
        while True:
            for node in await self._asks.take(1):
                try:
                    from devices.sparkplug.payload import Metric, command
                except ImportError:  # which is told when a node speaks
                    continue
                now = self._clock.now() // 1000
                metric = Metric(REBIRTH, None, now, types.BOOLEAN, value=True)
                self._say([(node.command, command([metric], now))])
                await self._clock.sleep(PACE)
