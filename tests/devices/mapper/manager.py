"""A test double of the manager's side of DMI (EdgeCore, or the gateway): real gRPC on a unix socket, and no twins.

It keeps what mappers tell it and can be told to refuse; what it sends downstream is what EdgeCore sends, numbers as
32-bit floats included. `test_mapper.py` holds its methods and messages against `proto/dmi.proto`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import yaml
from google.protobuf import wrappers_pb2
from google.protobuf.any_pb2 import Any as Packed

from devices.dmi.wire import dmi_pb2 as pb

SERVICE = "v1beta1.DeviceManagerService"
MAPPER = "/v1beta1.DeviceMapperService/"
METHODS = {
    "MapperRegister": (pb.MapperRegisterRequest, pb.MapperRegisterResponse),
    "ReportDeviceStatus": (pb.ReportDeviceStatusRequest, pb.ReportDeviceStatusResponse),
    "ReportDeviceStates": (pb.ReportDeviceStatesRequest, pb.ReportDeviceStatesResponse),
}
CALLS = {
    "RegisterDevice": (pb.RegisterDeviceRequest, pb.RegisterDeviceResponse),
    "RemoveDevice": (pb.RemoveDeviceRequest, pb.RemoveDeviceResponse),
    "UpdateDevice": (pb.UpdateDeviceRequest, pb.UpdateDeviceResponse),
    "CreateDeviceModel": (pb.CreateDeviceModelRequest, pb.CreateDeviceModelResponse),
    "RemoveDeviceModel": (pb.RemoveDeviceModelRequest, pb.RemoveDeviceModelResponse),
    "UpdateDeviceModel": (pb.UpdateDeviceModelRequest, pb.UpdateDeviceModelResponse),
    "GetDevice": (pb.GetDeviceRequest, pb.GetDeviceResponse),
}
DEADLINE = 20.0

Refusal = tuple[grpc.StatusCode, str]


class Manager:
    """`async with Manager(socket) as manager`: stopped at the end, and it can be started again."""

    def __init__(self, socket: Path, devices: dict[str, pb.Device] | None = None) -> None:
        self.socket = socket
        self.devices = devices or {}
        self.models: dict[str, pb.DeviceModel] = {}
        self.registered: list[pb.MapperInfo] = []
        self.reports: list[pb.ReportDeviceStatusRequest] = []
        self.states: list[tuple[str, str, str]] = []
        self.refuse: Callable[[Any], Refusal | None] = lambda request: None
        self.calls = 0
        self._changed = asyncio.Condition()
        self._server: Any = None

    async def __aenter__(self) -> Manager:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        answers = {
            "MapperRegister": self._register,
            "ReportDeviceStatus": self._report_status,
            "ReportDeviceStates": self._report_states,
        }
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                answers[name],
                request_deserializer=request.FromString,
                response_serializer=answer.SerializeToString,
            )
            for name, (request, answer) in METHODS.items()
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self._server.add_insecure_port(f"unix:{self.socket}")
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(None)
        self.socket.unlink(missing_ok=True)

    async def until(self, holds: Callable[[], Any]) -> Any:
        """Wait for something to be told; returns what made it true."""
        async with asyncio.timeout(DEADLINE), self._changed:
            return await self._changed.wait_for(holds)

    async def call(self, method: str, **fields: Any) -> Any:
        """Call the mapper that registered last."""
        request, answer = CALLS[method]
        async with grpc.aio.insecure_channel(
            f"unix:{self.registered[-1].address.decode()}", options=[("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            send = channel.unary_unary(
                MAPPER + method,
                request_serializer=request.SerializeToString,
                response_deserializer=answer.FromString,
            )
            return await send(request(**fields), timeout=DEADLINE)

    def values(self, name: str) -> list[str]:
        """All that was reported of a property."""
        return [twin.reported.value for twin in self.twins(name)]

    def twins(self, name: str) -> list[pb.Twin]:
        return [t for report in self.reports for t in report.reportedDevice.twins if t.propertyName == name]

    async def _register(self, request: pb.MapperRegisterRequest, context: Any) -> pb.MapperRegisterResponse:
        await self._admit(request, context)
        async with self._changed:
            self.registered.append(request.mapper)
            self._changed.notify_all()
        assert request.withData
        return pb.MapperRegisterResponse(modelList=self.models.values(), deviceList=self.devices.values())

    async def _report_status(
        self, request: pb.ReportDeviceStatusRequest, context: Any
    ) -> pb.ReportDeviceStatusResponse:
        await self._admit(request, context)
        for twin in request.reportedDevice.twins:  # what EdgeCore dies of
            assert twin.HasField("observedDesired")
            assert twin.HasField("reported")
        async with self._changed:
            self.reports.append(request)
            self._changed.notify_all()
        return pb.ReportDeviceStatusResponse()

    async def _report_states(
        self, request: pb.ReportDeviceStatesRequest, context: Any
    ) -> pb.ReportDeviceStatesResponse:
        await self._admit(request, context)
        metadata = dict(context.invocation_metadata() or ())
        async with self._changed:
            reason = bytes(metadata.get("gemelo-reason-bin", b"")).decode()
            self.states.append((f"{request.deviceNamespace}/{request.deviceName}", request.state, reason))
            self._changed.notify_all()
        return pb.ReportDeviceStatesResponse()

    async def _admit(self, request: Any, context: Any) -> None:
        self.calls += 1
        if (refusal := self.refuse(request)) is not None:
            async with self._changed:
                self._changed.notify_all()
            await context.abort(*refusal)


def packed(values: dict[str, Any]) -> pb.CustomizedValue:
    """As EdgeCore packs them: each number is a 32-bit float."""
    data: dict[str, Packed] = {}
    for key, value in values.items():
        data[key] = Packed()
        match value:
            case bool():
                data[key].Pack(wrappers_pb2.BoolValue(value=value))
            case str():
                data[key].Pack(wrappers_pb2.StringValue(value=value))
            case _:
                data[key].Pack(wrappers_pb2.FloatValue(value=value))
    return pb.CustomizedValue(data=data)


def manifests(path: Path) -> Iterator[pb.Device | pb.DeviceModel]:
    """KubeEdge's YAML as EdgeCore sends it to a mapper."""
    for document in yaml.safe_load_all(path.read_text("utf-8")):
        yield model(document) if document["kind"] == "DeviceModel" else device(document)


def model(document: dict[str, Any]) -> pb.DeviceModel:
    keys = ("name", "description", "type", "accessMode", "minimum", "maximum", "unit")
    properties = [{key: each[key] for key in keys if key in each} for each in document["spec"]["properties"]]
    return pb.DeviceModel(
        name=document["metadata"]["name"],
        namespace="default",
        spec=pb.DeviceModelSpec(properties=[pb.ModelProperty(**each) for each in properties]),
    )


def device(document: dict[str, Any]) -> pb.Device:
    spec = document["spec"]
    report = spec.get("stateReport", {})
    return pb.Device(
        name=document["metadata"]["name"],
        namespace="default",
        status=pb.DeviceStatus(
            reportToCloud=report.get("reportToCloud", False), reportCycle=report.get("reportCycle", 0)
        ),
        spec=pb.DeviceSpec(
            deviceModelReference=spec["deviceModelRef"]["name"],
            protocol=pb.ProtocolConfig(
                protocolName=spec["protocol"]["protocolName"],
                configData=packed(spec["protocol"].get("configData", {})),
            ),
            methods=[
                pb.DeviceMethod(name=m["name"], propertyNames=m["propertyNames"]) for m in spec.get("methods", ())
            ],
            properties=[_property(each) for each in spec["properties"]],
        ),
    )


def _property(own: dict[str, Any]) -> pb.DeviceProperty:
    visitors = own.get("visitors", {})
    return pb.DeviceProperty(
        name=own["name"],
        desired=pb.TwinProperty(value=own.get("desired", {}).get("value", "")),
        visitors=pb.VisitorConfig(
            protocolName=visitors.get("protocolName", ""), configData=packed(visitors.get("configData", {}))
        ),
        collectCycle=own.get("collectCycle", 0),
        reportCycle=own.get("reportCycle", 0),
        reportToCloud=own.get("reportToCloud", False),
    )
