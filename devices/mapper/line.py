"""The line to one device: a driver that is called one call at a time, each with a deadline."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from devices.mapper.device import Device
from devices.mapper.driver import Driver, Scalar, rejected
from twins.errors import GemeloError, Rejected, Unavailable
from twins.schema import decode

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Line:
    """Whatever a driver does, only `Rejected` (this call failed) and `Unavailable` (the device is away) come out.

    `deadline` is the seconds that one call may take. `read`, `read_many`, `write` and `state` need `open` to be true.
    """

    def __init__(self, kind: type[Driver[Any, Any]], deadline: float) -> None:
        self._kind = kind
        self._deadline = deadline
        self._lock = asyncio.Lock()
        self._driver: Driver[Any, Any] | None = None

    @property
    def open(self) -> bool:
        """True while the device is connected."""
        return self._driver is not None

    @asynccontextmanager
    async def opened(self, device: Device) -> AsyncIterator[None]:
        """A new driver, connected as the device's settings say; it is let go of at the end."""
        driver = self._made(device)
        try:
            await self._call(driver.connect(), "connecting")
            self._driver = driver
            yield
        finally:
            self._driver = None
            await self._let_go(driver, device.id)

    async def read(self, name: str, visitor: Any) -> Scalar:
        return await self._call(self._used.read(visitor), f"reading {name}")

    async def read_many(self, visitors: Mapping[str, Any]) -> dict[str, Scalar | Rejected]:
        """They have the time of so many calls together."""
        return await self._call(self._used.read_many(visitors), f"reading {', '.join(visitors)}", turns=len(visitors))

    async def write(self, name: str, visitor: Any, value: Scalar) -> None:
        await self._call(self._used.write(visitor, value), f"writing {name}")

    async def state(self) -> str:
        return str(await self._call(self._used.state(), "asking for its state"))

    @property
    def _used(self) -> Driver[Any, Any]:
        assert self._driver is not None  # asked only while it is open
        return self._driver

    def _made(self, device: Device) -> Driver[Any, Any]:
        settings = decode(
            device.settings, self._kind.settings_type, f"{device.id}: spec.protocol.configData", strict=False
        )
        try:
            return self._kind(settings)
        except ImportError as missing:
            reason = f"{missing}: install what this driver needs, such as gemelo[{self._kind.protocol}]"
            raise Rejected(reason) from missing
        except Exception as error:
            raise rejected(error) from error

    async def _call(self, call: Coroutine[Any, Any, T], doing: str, turns: int = 1) -> T:
        deadline = self._deadline * turns
        try:
            async with asyncio.timeout(deadline + self._deadline), self._lock, asyncio.timeout(deadline):
                return await call
        except TimeoutError as late:
            reason = f"no answer within {deadline:g} s while {doing}"
            raise Unavailable(reason) from late
        except Exception as error:
            raise rejected(error) from error
        finally:
            call.close()  # of a call that never got its turn

    async def _let_go(self, driver: Driver[Any, Any], device: str) -> None:
        try:
            await self._call(driver.close(), "closing")
        except GemeloError as error:
            logger.info("%s: closing: %s", device, error)
