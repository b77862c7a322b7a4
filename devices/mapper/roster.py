"""All devices of a mapper, each with its task, and the models they are made from."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from devices.dmi.wire import dmi_pb2 as pb
from devices.mapper.config import MapperConfig
from devices.mapper.driver import Driver
from devices.mapper.reports import Reports
from devices.mapper.wire import device_of
from devices.mapper.worker import Worker
from runtime.clock import Clock
from twins.values import device_id

logger = logging.getLogger(__name__)

LEAVING = 10.0
"""Seconds that a device gets to let go of what it holds."""


class Roster:
    """What the manager said, and the workers that carry it out."""

    def __init__(self, kind: type[Driver[Any, Any]], reports: Reports, clock: Clock, config: MapperConfig) -> None:
        self.workers: dict[str, Worker] = {}
        self._kind = kind
        self._reports = reports
        self._clock = clock
        self._config = config
        self._devices: dict[str, pb.Device] = {}
        self._models: dict[str, pb.DeviceModel] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._told: set[str] = set()

    async def run(self) -> None:
        """Run the devices until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            for name, worker in self.workers.items():
                self._start(name, worker)
            await asyncio.Event().wait()

    def device(self, name: str) -> pb.Device | None:
        return self._devices.get(name)

    def model(self, name: str) -> pb.DeviceModel | None:
        return self._models.get(name)

    def define(self, model: pb.DeviceModel) -> None:
        """A model is new or changed: so are its devices."""
        name = device_id(model.namespace or "default", model.name)
        self._models[name] = model
        for device in [each for each in self._devices.values() if _model_name(each) == name]:
            self.admit(device)

    def undefine(self, name: str) -> None:
        """A model is gone; its devices stay as they are until they go too."""
        self._models.pop(name, None)

    def admit(self, device: pb.Device) -> None:
        """A device is new or changed."""
        found = device_of(device, self._models.get(_model_name(device)))
        self._told.add(found.id)
        self._devices[found.id] = device
        if (worker := self.workers.get(found.id)) is not None:
            worker.update(found)
            return
        worker = self.workers[found.id] = Worker(found, self._kind, self._reports, self._clock, self._config)
        self._start(found.id, worker)

    async def remove(self, name: str) -> None:
        """A device is gone; returns when it has been let go of, in `LEAVING` seconds at most."""
        self._told.add(name)
        self._devices.pop(name, None)
        self.workers.pop(name, None)
        if (task := self._tasks.pop(name, None)) is not None:
            task.cancel()
            await asyncio.wait({task}, timeout=LEAVING)
        self._reports.forget(name)

    def ask(self) -> None:
        """What the manager will answer is older than what it says from now on."""
        self._told.clear()

    async def sync(self, models: Sequence[pb.DeviceModel], devices: Sequence[pb.Device]) -> None:
        """The whole of what the manager has, as it was when it was asked."""
        for model in models:
            self._models[device_id(model.namespace or "default", model.name)] = model
        names = {device_id(each.namespace or "default", each.name): each for each in devices}
        for name, device in names.items():
            if name not in self._told:
                self.admit(device)
        for name in [name for name in self._devices if name not in names and name not in self._told]:
            await self.remove(name)

    def _start(self, name: str, worker: Worker) -> None:
        if self._group is not None:
            self._tasks[name] = self._group.create_task(worker.run(), name=f"device {name}")


def _model_name(device: pb.Device) -> str:
    return device_id(device.namespace or "default", device.spec.deviceModelReference)
