"""Phones as a whole: the door by which their pictures come, and what is asked of them."""

from __future__ import annotations

from collections.abc import Callable

from gateway import wiring
from gateway.config import Config
from gateway.core import Core
from gateway.doors import Run
from gateway.lookout import Lookout
from gateway.orders import Orders
from runtime.clock import Clock


class Phones:
    """The part `phones`. gRPC is loaded only when the door is on."""

    def __init__(
        self, core: Core, lookout: Lookout, orders: Orders, clock: Clock, next_cause: Callable[[], str]
    ) -> None:
        self._core = core
        self._lookout = lookout
        self._orders = orders
        self._clock = clock
        self._next_cause = next_cause

    def door(self, config: Config) -> Run | None:
        section = wiring.offload(config)
        if section is None:
            return None
        from devices.offload.server import OffloadDoor

        models = self._lookout.models
        door = OffloadDoor(section, self._core, self._lookout, self._clock, self._next_cause, models, self._known)

        async def run() -> None:
            self._orders.serve("phone", door.actuate)
            await door.run()

        return run

    def _known(self, device: str) -> bool:
        return self._core.twins.get(device) is not None
