"""Orders to devices that are not on MQTT: what is desired of a phone goes into its session."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from gateway.committed import Committed
from runtime.mailbox import Mailbox, Policy
from twins.errors import Unavailable
from twins.instructions import Actuate
from twins.twin import Twins

logger = logging.getLogger(__name__)

Actuator = Callable[[str, Mapping[str, str]], Awaitable[None]]


class Orders:
    """Hands each `Actuate` to the actuator of the device's model; the newest order of a device counts."""

    def __init__(self, twins: Twins) -> None:
        self._twins = twins
        self._actuators: dict[str, Actuator] = {}
        self._waiting: Mailbox[Actuate] = Mailbox(
            "orders", 4096, Policy.KEEP_LATEST, key=lambda order: (order.device, *order.values)
        )

    def serve(self, model: str, actuator: Actuator) -> None:
        """Give orders for devices of this model to `actuator`, first what was asked of them before it was there."""
        self._actuators[model] = actuator
        for twin in self._twins:
            wanted = {n: p.desired.value for n, p in twin.properties.items() if p.drifts and p.desired is not None}
            if twin.model == model and wanted:
                self._waiting.offer_nowait(Actuate(twin.device, "start", wanted))

    def tell(self, committed: Committed) -> None:
        for order in committed.orders:
            if self._model(order.device) in self._actuators:
                self._waiting.offer_nowait(order)

    async def run(self) -> None:
        while True:
            for order in await self._waiting.take(64):
                actuator = self._actuators.get(self._model(order.device))
                if actuator is None:
                    continue
                try:
                    await actuator(order.device, order.values)
                except Unavailable as error:
                    logger.warning("%s can't be told what is asked of it: %s", order.device, error)

    def _model(self, device: str) -> str:
        twin = self._twins.get(device)
        return "" if twin is None else twin.model
