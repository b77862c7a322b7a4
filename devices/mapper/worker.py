"""One device: a task of its own that connects, writes what is asked, reads what is due, and says how the device is."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from devices.mapper import stream
from devices.mapper.config import MapperConfig
from devices.mapper.device import Device, Property, wanted
from devices.mapper.driver import Driver, Scalar, rejected
from devices.mapper.faults import Faults
from devices.mapper.line import Line
from devices.mapper.reports import Reading, Reports, State
from devices.mapper.schedule import Schedule
from devices.mapper.value import text_of, value_of
from devices.mapper.visitor import Visitors
from runtime.backoff import Backoff
from runtime.clock import Clock
from twins.errors import GemeloError, Rejected, Unavailable

logger = logging.getLogger(__name__)


class Worker:
    """Nothing that this device or its driver does reaches another device: calls have deadlines, errors end here."""

    def __init__(
        self, device: Device, kind: type[Driver[Any, Any]], reports: Reports, clock: Clock, config: MapperConfig
    ) -> None:
        self.device = device
        self.state = State("unknown", "not connected yet")
        self.readings: dict[str, Reading] = {}
        self._reports = reports
        self._clock = clock
        self._line = Line(kind, config.deadline)
        self._visitors = Visitors(kind)
        self._faults = Faults(device.id)
        self._wake = asyncio.Event()
        self._renewed = asyncio.Event()
        self._backoff = Backoff()
        self._schedule = Schedule(clock.monotonic())
        self._wanted = wanted(None, device)
        self._saved: dict[str, dict[str, Any]] = {}
        self._state_due: float | None = None
        self._plan()

    def update(self, device: Device) -> None:
        """The device as it is described now. Only desired values that changed are written."""
        old, self.device = self.device, device
        asked = wanted(old, device)
        still = {n: p.declared.desired for n, p in device.properties.items() if p.declared.writable}
        self._wanted = {name: text for name, text in self._wanted.items() if still.get(name) == text} | asked
        self._faults.keep(still.keys() - asked.keys())
        self.readings = {name: reading for name, reading in self.readings.items() if name in device.properties}
        self._reports.amend(device.id, {n: p.declared.desired or "" for n, p in device.properties.items()})
        self._plan()
        if device.settings != old.settings:
            self._renewed.set()
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled: connect again and again, as long as the device is described."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._rounds(group), name=f"{self.device.id} rounds")

    async def read(self, name: str) -> Reading:
        """Read a property now. Raises `Rejected` (404 when there is no such one) or `Unavailable`."""
        own = self._reached(name)
        return self._reading(own, await self._line.read(name, self._visitors.of(own)))

    async def write(self, name: str, text: str) -> None:
        """Write a property now, whatever is desired of it. Raises as `read`, and `Rejected` for a value that is bad."""
        own = self._reached(name)
        if not own.declared.writable:
            reason = f"{name} is read only in the device's model"
            raise Rejected(reason, 403)
        value = value_of(name, own.declared, text)
        await self._line.write(name, self._visitors.of(own), value)
        self._schedule.hurry(name, self._clock.monotonic())
        self._wake.set()

    # ------------------------------------------------------------------------------------------------------ its rounds

    async def _rounds(self, group: asyncio.TaskGroup) -> None:
        while True:
            self._renewed.clear()
            try:
                await self._serve(group)
            except Unavailable as away:
                self._become(State("offline", str(away)))
                await _until(self._renewed, self._backoff.next())
            except Rejected as bad:
                self._become(State("unhealthy", bad.reason))
                await _until(self._renewed, None)
            except Exception as error:  # the device's boundary: a driver may give back anything, and others go on
                logger.exception("%s: broke", self.device.id)
                self._become(State("unhealthy", f"{type(error).__name__}: {error}"))
                await _until(self._renewed, self._backoff.next())

    async def _serve(self, group: asyncio.TaskGroup) -> None:
        async with self._line.opened(self.device):
            while not self._renewed.is_set():
                self._wake.clear()
                self._start_streams(group)
                await self._write_wanted()
                await self._collect()
                await self._settle()
                self._backoff.reset()
                await _until(self._wake, self._rest())

    async def _write_wanted(self) -> None:
        for name, text in list(self._wanted.items()):
            if name not in self._wanted:  # the property went while another was written
                continue
            own, fault = self.device.properties[name], None
            try:
                value = value_of(name, own.declared, text)
                await self._line.write(name, self._visitors.of(own), value)
            except Rejected as bad:
                fault = bad
            self._faults.judge("write", name, fault)
            if self._wanted.get(name) == text:  # else a newer one came meanwhile
                del self._wanted[name]
            self._schedule.hurry(name, self._clock.monotonic())

    async def _collect(self) -> None:
        due: dict[str, Any] = {}
        for name in self._schedule.take(self._clock.monotonic()):
            try:
                due[name] = self._visitors.of(self._own(name))
            except Rejected as bad:
                self._faults.judge("read", name, bad)
        if not due:
            return
        found = await self._line.read_many(due)
        readings = {}
        for name in [name for name in due if name in self.device.properties]:
            fault = None
            try:
                readings[name] = self._reading(self.device.properties[name], found.get(name))
            except Rejected as bad:
                fault = bad
            self._faults.judge("read", name, fault)
        self._reports.put(self.device.id, readings)

    def _start_streams(self, group: asyncio.TaskGroup) -> None:
        """Save pictures of streams: once after the start, and again when what is asked changed."""
        for name, own in self.device.properties.items():
            if own.declared.kind == "stream" and self._saved.get(name) != own.visitor:
                self._saved[name] = own.visitor
                group.create_task(self._save(own), name=f"{self.device.id} {name}")

    async def _save(self, own: Property) -> None:
        fault = None
        try:
            saving = stream.saving_of(own.name, own.visitor)
            paths = await stream.save((await self.read(own.name)).text, saving, self._clock)
            logger.info("%s: %d pictures in %s", self.device.id, len(paths), saving.outputDir)
        except GemeloError as error:
            fault = Rejected(str(error))
        self._faults.judge("save", own.name, fault)
        self._wake.set()

    async def _settle(self) -> None:
        """Tell the state when it changed, or its cycle is over."""
        reason = self._faults.reason
        state = State("unhealthy", reason) if reason else State(await self._line.state())
        now, cycle = self._clock.monotonic(), self.device.state_cycle
        due = cycle is not None and (self._state_due is None or now >= self._state_due)
        self._become(state, again=due)
        if due and cycle is not None:
            self._state_due = now + cycle

    def _rest(self) -> float | None:
        """Seconds until something is due; `None` when nothing ever is."""
        next_state = self._state_due if self.device.state_cycle is not None else None
        times = [at for at in (self._schedule.next, next_state) if at is not None]
        return max(0.0, min(times) - self._clock.monotonic()) if times else None

    # -------------------------------------------------------------------------------------------------- its properties

    def _plan(self) -> None:
        device = self.device
        properties = device.properties.items()
        cycles = {name: own.cycle for name, own in properties if own.reported and own.declared.kind != "stream"}
        self._schedule.plan(cycles, self._clock.monotonic())
        self._visitors.clear()

    def _own(self, name: str) -> Property:
        if name not in self.device.properties:
            reason = f"{self.device.id} has no property {name}"
            raise Rejected(reason, 404)
        return self.device.properties[name]

    def _reached(self, name: str) -> Property:
        """A property of a device that is connected."""
        own = self._own(name)
        if not self._line.open:
            message = f"{self.device.id} is {self.state.name}: {self.state.reason}"
            raise Unavailable(message)
        return own

    def _reading(self, own: Property, value: Scalar | Rejected | None) -> Reading:
        if isinstance(value, Rejected):
            raise value
        if value is None:
            message = "the driver gave no value"
            raise Rejected(message)
        declared = own.declared
        try:
            text = text_of(declared.kind, value)
        except (TypeError, ValueError, OverflowError) as error:
            raise rejected(error) from error
        reading = Reading(text, self._clock.now(), declared.kind, declared.desired or "")
        self.readings[own.name] = reading
        return reading

    def _become(self, state: State, *, again: bool = False) -> None:
        if state != self.state:
            logger.info("%s: %s%s", self.device.id, state.name, f": {state.reason}" if state.reason else "")
        if again or state != self.state:
            self._reports.tell(self.device.id, state)
        self.state = state


async def _until(event: asyncio.Event, seconds: float | None) -> None:
    """Wait for an event, so long at most."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
