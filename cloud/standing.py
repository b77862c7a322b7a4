"""How a link to the cloud stands: told to people, and to whoever waits for it."""

from __future__ import annotations

import asyncio
import logging
from typing import Literal

from runtime.clock import Clock

logger = logging.getLogger(__name__)

Phase = Literal["joining", "connecting", "online", "offline"]


class Standing:
    """Offline at first. `since` is when the phase began, in microseconds UTC."""

    def __init__(self, clock: Clock) -> None:
        self.phase: Phase = "offline"
        self.reason = "not started"
        self.since = clock.now()
        self._clock = clock
        self._online = asyncio.Event()
        self._told = ""

    def turn(self, phase: Phase, reason: str) -> None:
        """It stands otherwise now; why it is offline is logged once per reason, not once per attempt."""
        if phase == "online":
            logger.info("cloud online: %s", reason)
            self._told = ""
        elif phase == "offline" and reason != self._told:
            logger.warning("cloud offline: %s", reason)
            self._told = reason
        if phase != self.phase:
            self.since = self._clock.now()
        self.phase, self.reason = phase, reason
        (self._online.set if phase == "online" else self._online.clear)()

    async def online(self) -> None:
        """Return when there is a link."""
        await self._online.wait()
