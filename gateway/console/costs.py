"""Where the time of each device's pictures goes, averaged so that a person can read it."""

from __future__ import annotations

from twins.exchange import Result
from web.views import CostView

FRESH = 0.1
"""The weight of a new picture."""


class Costs:
    """Averages by device, for as long as the process lives."""

    def __init__(self) -> None:
        self._averages: dict[str, CostView] = {}

    def add(self, device: str, result: Result) -> None:
        """One more picture."""
        fresh = [us / 1000 for us in (result.queue_us, result.decode_us, result.infer_us, result.post_us)]
        if (before := self._averages.get(device)) is not None:
            known = (before.queue_ms, before.decode_ms, before.infer_ms, before.post_ms)
            fresh = [was + FRESH * (now - was) for was, now in zip(known, fresh, strict=True)]
        self._averages[device] = CostView(*fresh)

    def of(self, device: str) -> CostView | None:
        """`None` when no picture of it was looked at."""
        return self._averages.get(device)

    def forget(self, device: str) -> None:
        """The device is gone."""
        self._averages.pop(device, None)
