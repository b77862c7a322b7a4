from __future__ import annotations

import asyncio
from collections.abc import Mapping

from gateway.orders import Orders
from twins.stimuli import Edit, Joined, Updated
from twins.twin import Twins

PHONE = "default/phone-1"


async def test_what_was_asked_before_a_start_is_handed_over_after_it() -> None:
    twins = Twins()
    twins.handle(Joined(PHONE, "c", 1, {}, model="phone"))
    twins.handle(Updated(PHONE, "c", 2, {"fps_cap": Edit(desired="5")}, 2, origin="edge"))
    orders = Orders(twins)
    told: asyncio.Future[tuple[str, dict[str, str]]] = asyncio.get_running_loop().create_future()

    async def actuate(device: str, values: Mapping[str, str]) -> None:
        told.set_result((device, dict(values)))

    orders.serve("phone", actuate)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(orders.run())
        async with asyncio.timeout(5):
            assert await told == (PHONE, {"fps_cap": "5"})
        running.cancel()
