"""A phone's account of itself: what it measured, obeys and inferred by itself, on its way to its twin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from devices.offload import twin
from devices.offload.ports import Intake
from devices.offload.wire import offload_pb2 as pb
from runtime.clock import Clock
from twins.errors import Unavailable
from twins.exchange import Detection, Result
from twins.stimuli import Edit, Inferred, Updated


class Account:
    """Of each value the newest counts; it stays until it was told. `timeout` is the seconds that telling may take."""

    def __init__(
        self, device: str, intake: Intake, clock: Clock, next_cause: Callable[[], str], timeout: float
    ) -> None:
        self._device = device
        self._intake = intake
        self._clock = clock
        self._next_cause = next_cause
        self._timeout = timeout
        self._edits: dict[str, Edit | None] = {}

    def note(self, edits: Mapping[str, Edit | None]) -> None:
        """Keep these for the next report."""
        self._edits |= edits

    async def report(self) -> None:
        """Tell what has changed. When there is no room the values stay, for the next time."""
        if not self._edits:
            return
        edits, seen = self._edits.copy(), self._clock.now()
        with suppress(Unavailable, TimeoutError):
            await self._offer(Updated(self._device, self._next_cause(), seen, edits=edits, at=seen))
            self._edits = {name: edit for name, edit in self._edits.items() if edits.get(name) is not edit}

    async def infer(self, local: pb.LocalResult, source: Mapping[str, str]) -> None:
        """The phone inferred by itself. Nothing is answered, so one that finds no room is lost, as the phone knows."""
        label = local.label[: twin.TEXT_LIMIT]
        seen, cause = self._clock.now(), self._next_cause()
        result = Result(
            device=self._device,
            model=local.model[: twin.TEXT_LIMIT] or "local",
            version="device",
            seq=local.seq,
            at=seen,
            detections=(Detection(label, local.score),),
            infer_us=local.infer_us,
            cause=cause,
        )
        values = {"emotion": label, "emotion.score": f"{local.score:.3f}", **source}
        with suppress(Unavailable, TimeoutError):
            await self._offer(Inferred(self._device, cause, seen, result, values, seen, local.seq))

    async def _offer(self, stimulus: Inferred | Updated) -> None:
        async with asyncio.timeout(self._timeout):
            await self._intake.offer([stimulus])
