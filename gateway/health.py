"""How the gateway is: alive, ready, and each part in words with a way out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from runtime.supervision import Health as PartHealth
from web.views import Health, PartState, PartView

STATES: dict[str, PartState] = {
    "new": "degraded",
    "running": "ok",
    "waiting": "down",
    "done": "off",
    "stopped": "off",
    "stuck": "down",
    "broken": "down",
}


class HealthReport:
    """Gathers what the parts say of themselves; `troubles` are a part's name and what is wrong with it."""

    def __init__(
        self,
        ready: asyncio.Event,
        parts: Callable[[], Iterable[PartHealth]],
        troubles: Callable[[], Iterable[tuple[str, str]]],
    ) -> None:
        self._ready = ready
        self._parts = parts
        self._troubles = troubles

    def view(self) -> Health:
        told = dict(self._troubles())
        parts = [self._part(part, told) for part in self._parts()]
        store = told.get("store", "")
        if not self._ready.is_set():
            parts.insert(0, PartView("recovery", "degraded", "reading back what was stored; input is taken after it"))
        ready = self._ready.is_set() and not store
        return Health(live=True, ready=ready, parts=tuple(parts))

    def _part(self, part: PartHealth, told: dict[str, str]) -> PartView:
        trouble = told.get(part.name, "")
        if trouble and part.state == "running":
            return PartView(part.name, "degraded", trouble)
        return PartView(part.name, STATES[part.state], part.reason)
