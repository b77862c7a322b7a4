"""What the manager calls: `v1beta1.DeviceMapperService` on the mapper's own unix socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

from devices.dmi.wire import dmi_pb2 as pb
from devices.mapper.reports import Reading
from devices.mapper.roster import Roster
from devices.mapper.wire import status_of
from twins.values import device_id

SERVICE = "v1beta1.DeviceMapperService"


class Service:
    """Answers at once: what it is told is carried out by the devices' own tasks."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    def handlers(self) -> Any:
        """What gRPC calls."""
        methods: dict[str, tuple[Callable[[Any, Any], Awaitable[Any]], Any]] = {
            "RegisterDevice": (self._register, pb.RegisterDeviceRequest),
            "UpdateDevice": (self._update, pb.UpdateDeviceRequest),
            "RemoveDevice": (self._remove, pb.RemoveDeviceRequest),
            "GetDevice": (self._get, pb.GetDeviceRequest),
            "CreateDeviceModel": (self._create_model, pb.CreateDeviceModelRequest),
            "UpdateDeviceModel": (self._update_model, pb.UpdateDeviceModelRequest),
            "RemoveDeviceModel": (self._remove_model, pb.RemoveDeviceModelRequest),
        }
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                name: grpc.unary_unary_rpc_method_handler(
                    method, request_deserializer=request.FromString, response_serializer=_serialize
                )
                for name, (method, request) in methods.items()
            },
        )

    async def _register(self, request: Any, context: Any) -> pb.RegisterDeviceResponse:
        await self._admit(request.device, context)
        return pb.RegisterDeviceResponse(deviceName=request.device.name, deviceNamespace=request.device.namespace)

    async def _update(self, request: Any, context: Any) -> pb.UpdateDeviceResponse:
        await self._admit(request.device, context)
        return pb.UpdateDeviceResponse()

    async def _remove(self, request: Any, context: Any) -> pb.RemoveDeviceResponse:
        await self._roster.remove(_name(request.deviceNamespace, request.deviceName))
        return pb.RemoveDeviceResponse()

    async def _get(self, request: Any, context: Any) -> pb.GetDeviceResponse:
        name = _name(request.deviceNamespace, request.deviceName)
        device, worker = self._roster.device(name), self._roster.workers.get(name)
        if device is None or worker is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no device {name} here")
            raise AssertionError  # abort raises
        found = pb.Device()
        found.CopyFrom(device)
        readings: dict[str, Reading] = worker.readings
        found.status.twins.extend(status_of(readings).twins)
        return pb.GetDeviceResponse(device=found)

    async def _create_model(self, request: Any, context: Any) -> pb.CreateDeviceModelResponse:
        await self._define(request.model, context)
        return pb.CreateDeviceModelResponse(
            deviceModelName=request.model.name, deviceModelNamespace=request.model.namespace
        )

    async def _update_model(self, request: Any, context: Any) -> pb.UpdateDeviceModelResponse:
        await self._define(request.model, context)
        return pb.UpdateDeviceModelResponse()

    async def _remove_model(self, request: Any, context: Any) -> pb.RemoveDeviceModelResponse:
        self._roster.undefine(_name(request.modelNamespace, request.modelName))
        return pb.RemoveDeviceModelResponse()

    async def _admit(self, device: pb.Device, context: Any) -> None:
        if not device.name:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the device has no name")
        self._roster.admit(device)

    async def _define(self, model: pb.DeviceModel, context: Any) -> None:
        if not model.name:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the model has no name")
        self._roster.define(model)


def _name(namespace: str, name: str) -> str:
    return device_id(namespace or "default", name)


def _serialize(message: Any) -> bytes:
    return bytes(message.SerializeToString())
