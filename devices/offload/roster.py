"""Which phones are members and which are online, as stimuli to the twins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from devices.offload.config import OffloadConfig
from devices.offload.ports import Intake
from runtime.clock import Clock
from twins.errors import Unavailable
from twins.stimuli import Seen

CLOSING = 2.0
"""Seconds to report the last phones offline when the door closes."""


class Roster:
    """Offers `Joined` once for a phone that has no twin, and `Seen` when it comes and goes."""

    def __init__(
        self,
        config: OffloadConfig,
        intake: Intake,
        clock: Clock,
        next_cause: Callable[[], str],
        known: Callable[[str], bool],
    ) -> None:
        self._limit = config.max_devices
        self._intake = intake
        self._clock = clock
        self._next_cause = next_cause
        self._known = known
        self._joined: set[str] = set()
        self._online: set[str] = set()
        self._departed: dict[str, None] = {}
        self._departure = asyncio.Event()

    async def enrol(self, device: str, description: str = "") -> None:
        """Make the phone's twin if it has none, or tell more about it. Raises `Unavailable` beyond `max_devices`."""
        from devices.offload import twin

        if not description and (device in self._joined or self._known(device)):
            return
        if device not in self._joined and len(self._joined) >= self._limit:
            reason = f"{self._limit} phones joined since the start; raise [offload] max_devices"
            raise Unavailable(reason)
        self._joined.add(device)
        await self._intake.offer([twin.joined(device, self._next_cause(), self._clock.now(), description)])

    async def arrive(self, device: str) -> None:
        """The phone has a session."""
        self._departed.pop(device, None)
        if device not in self._online:
            self._online.add(device)
            await self._seen(device, "online")

    def depart(self, device: str) -> None:
        """The phone's last session ended. Never waits: `run` tells the twins."""
        self._departed[device] = None
        self._departure.set()

    async def run(self) -> None:
        """Report departures until cancelled. A phone that is back before its turn was never away."""
        while True:
            await self._departure.wait()
            self._departure.clear()
            await self._report()

    async def close(self) -> None:
        """Report what is left, within a deadline."""
        with suppress(TimeoutError, Unavailable):
            async with asyncio.timeout(CLOSING):
                await self._report()

    async def _report(self) -> None:
        while self._departed:
            device = next(iter(self._departed))
            del self._departed[device]
            if device in self._online:
                self._online.discard(device)
                await self._seen(device, "offline")

    async def _seen(self, device: str, state: str) -> None:
        await self._intake.offer([Seen(device, self._next_cause(), self._clock.now(), state=state)])
