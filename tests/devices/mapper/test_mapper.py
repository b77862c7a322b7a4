"""The whole kit over real gRPC and unix sockets, against a double of the manager."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest

from devices.dmi.wire import dmi_pb2 as pb
from devices.mapper import Mapper, MapperConfig
from devices.mapper import service as own_service
from devices.mapper import uplink as own_uplink
from tests.devices.mapper import manager as double
from tests.devices.mapper.bench import MODEL, Bench, document
from tests.devices.mapper.conftest import Runs
from tests.devices.mapper.manager import Manager
from twins.errors import Rejected, Unavailable


async def test_a_mapper_registers_with_all_data_and_reports_what_it_reads(
    bench: Bench, manager: Manager, runs: Runs
) -> None:
    bench.values = {"temp": 21, "level": 5}
    manager.devices["d1"] = document(temp={}, level={})
    async with runs(bench.driver, name="m1", version="v2") as mapper:
        await manager.until(lambda: manager.reports and manager.states)
        [info] = manager.registered
        assert (info.name, info.protocol, info.version) == ("m1", "bench", "v2")
        assert info.address.decode() == str(mapper.config.socket)
    report = manager.reports[0]
    assert (report.deviceNamespace, report.deviceName) == ("default", "d1")
    twins = {twin.propertyName: twin for twin in report.reportedDevice.twins}
    assert {name: twin.reported.value for name, twin in twins.items()} == {"temp": "21", "level": "5"}
    assert twins["temp"].reported.metadata["type"] == "int"
    assert int(twins["temp"].reported.metadata["timestamp"]) > 1_700_000_000_000
    assert manager.states[0] == ("default/d1", "online", "")


async def test_it_can_be_called_before_the_manager_has_answered_its_registration(
    bench: Bench, manager: Manager, runs: Runs
) -> None:
    bench.values = {"temp": 1}

    async def call(request: object) -> None:
        await manager.call("RegisterDevice", device=document("early", temp={}))

    plain = manager._register

    async def register(request: pb.MapperRegisterRequest, context: object) -> pb.MapperRegisterResponse:
        manager.registered.append(request.mapper)
        await call(request)
        return await plain(request, context)

    await manager.stop()
    manager._register = register
    await manager.start()
    async with runs(bench.driver):
        await manager.until(lambda: any(r.deviceName == "early" for r in manager.reports))


async def test_it_waits_for_a_manager_that_is_not_there_yet(bench: Bench, sockets: Path, runs: Runs) -> None:
    bench.values = {"temp": 3}
    async with runs(bench.driver, wait=False), Manager(sockets / "dmi.sock") as late:
        late.devices["d1"] = document(temp={})
        await late.until(lambda: late.values("temp"))


async def test_it_registers_again_when_the_manager_was_restarted_and_what_changed_meanwhile_is_done(
    bench: Bench, manager: Manager, runs: Runs
) -> None:
    bench.values = {"temp": 3, "level": 0}
    manager.devices = {name: document(name, temp={}, level={"desired": {"value": "5"}}) for name in ("d1", "d2")}
    async with runs(bench.driver):
        await manager.until(lambda: len(bench.written) == 2 and manager.reports)
        await manager.stop()
        manager.devices = {"d1": document("d1", temp={}, level={"desired": {"value": "6"}})}
        manager.reports.clear()
        await manager.start()
        await manager.until(lambda: len(manager.registered) == 2 and "6" in manager.values("level"))
        assert bench.written == [("level", 5), ("level", 5), ("level", 6)]
        assert bench.closed == ["here"]  # d2 is gone
        manager.reports.clear()
        await manager.until(lambda: len(manager.reports) >= 2)
        assert {report.deviceName for report in manager.reports} == {"d1"}


async def test_a_report_is_repeated_until_it_is_confirmed(bench: Bench, manager: Manager, runs: Runs) -> None:
    bench.values = {"temp": 3}
    manager.devices["d1"] = document(temp={"collectCycle": 3_600_000})
    refusals = iter([(grpc.StatusCode.UNAVAILABLE, "starting")] * 2)
    seen: list[pb.ReportDeviceStatusRequest] = []

    def refuse(request: object) -> tuple[grpc.StatusCode, str] | None:
        if not isinstance(request, pb.ReportDeviceStatusRequest):
            return None
        seen.append(request)
        return next(refusals, None)

    manager.refuse = refuse
    async with runs(bench.driver) as mapper:
        await manager.until(lambda: manager.reports)
        assert len(seen) == 3
        assert seen[0] == seen[1] == seen[2]  # the same bytes: the manager may know it as a repeat
        assert bench.reads == [("temp",)]
    assert mapper.counts["refused"] == 0


async def test_edgecores_refusal_of_too_many_calls_slows_it_down_and_loses_nothing_new(
    bench: Bench, manager: Manager, runs: Runs
) -> None:
    bench.values = {"temp": 3}
    manager.devices["d1"] = document(temp={"collectCycle": 10})
    first = iter([(grpc.StatusCode.UNKNOWN, "fail to report device status because of too many request: d1")])
    manager.refuse = lambda request: next(first, None) if isinstance(request, pb.ReportDeviceStatusRequest) else None
    async with runs(bench.driver) as mapper:
        await manager.until(lambda: manager.reports)
        told, read = len(manager.reports), len(bench.reads)
        await manager.until(lambda: len(manager.reports) > told)
        assert len(bench.reads) - read > 10  # many readings, one report: the newest
        assert mapper.counts["superseded"] > 0


async def test_a_property_that_the_manager_refuses_does_not_silence_the_others(
    bench: Bench, manager: Manager, runs: Runs
) -> None:
    bench.values = {"temp": 3, "level": 500}
    manager.devices["d1"] = document(temp={}, level={})

    def refuse(request: object) -> tuple[grpc.StatusCode, str] | None:
        if isinstance(request, pb.ReportDeviceStatusRequest):
            values = [twin.reported.value for twin in request.reportedDevice.twins]
            return (grpc.StatusCode.INVALID_ARGUMENT, "level: above the maximum") if "500" in values else None
        return None

    manager.refuse = refuse
    async with runs(bench.driver) as mapper:
        await manager.until(lambda: len(manager.values("temp")) == 2)
        assert manager.values("level") == []
    assert mapper.counts["refused"] >= 1


async def test_what_is_offered_is_accounted_for_to_the_last_reading(bench: Bench, manager: Manager, runs: Runs) -> None:
    bench.values = {"temp": 3}
    manager.devices["d1"] = document(temp={"collectCycle": 20})
    async with runs(bench.driver) as mapper:
        await manager.until(lambda: len(manager.reports) > 5)
    counts = mapper.counts
    ended = sum(counts[name] for name in ("confirmed", "superseded", "refused", "forgotten"))
    assert 0 <= counts["offered"] - ended <= 2  # a reading and a state may wait still


async def test_dmi_12_a_registered_device_is_connected_and_read(bench: Bench, manager: Manager, runs: Runs) -> None:
    bench.values = {"temp": 8}
    async with runs(bench.driver):
        answer = await manager.call("RegisterDevice", device=document(temp={}))
        assert (answer.deviceNamespace, answer.deviceName) == ("default", "d1")
        await manager.until(lambda: "8" in manager.values("temp"))


async def test_dmi_14_a_changed_desired_value_is_written_and_the_new_value_reported(
    bench: Bench, manager: Manager, runs: Runs
) -> None:
    bench.values = {"level": 0}
    manager.devices["d1"] = document(level={"collectCycle": 3_600_000})
    async with runs(bench.driver):
        await manager.until(lambda: manager.values("level") == ["0"])
        await manager.call(
            "UpdateDevice", device=document(level={"collectCycle": 3_600_000, "desired": {"value": "7"}})
        )
        await manager.until(lambda: manager.values("level") == ["0", "7"])
        assert bench.written == [("level", 7)]
        assert manager.twins("level")[-1].observedDesired.value == "7"


async def test_dmi_13_an_update_that_changes_nothing_does_nothing(bench: Bench, manager: Manager, runs: Runs) -> None:
    bench.values = {"level": 0}
    same = document(level={"collectCycle": 3_600_000, "desired": {"value": "7"}})
    manager.devices["d1"] = same
    async with runs(bench.driver):
        await manager.until(lambda: manager.values("level") == ["7"])
        await manager.call("UpdateDevice", device=same)
        await manager.call("RegisterDevice", device=document("d2", level={"collectCycle": 3_600_000}))
        await manager.until(lambda: len(manager.reports) == 2)
    assert bench.written == [("level", 7)]
    assert len(bench.opened) == 2


async def test_dmi_15_a_removed_device_is_let_go_of_and_reported_no_more(
    bench: Bench, manager: Manager, runs: Runs
) -> None:
    bench.values = {"temp": 8}
    manager.devices["d1"] = document(temp={"collectCycle": 50})
    async with runs(bench.driver):
        await manager.until(lambda: manager.reports)
        await manager.call("RemoveDevice", deviceName="d1", deviceNamespace="default")
        assert bench.closed == ["here"]
        with pytest.raises(grpc.aio.AioRpcError) as gone:
            await manager.call("GetDevice", deviceName="d1", deviceNamespace="default")
        assert gone.value.code() is grpc.StatusCode.NOT_FOUND
        await manager.call("RemoveDevice", deviceName="d1", deviceNamespace="default")


async def test_dmi_16_what_was_missed_while_the_mapper_was_away_comes_with_its_next_registration(
    bench: Bench, manager: Manager, runs: Runs
) -> None:
    bench.values = {"level": 0}
    async with runs(bench.driver):
        pass
    manager.devices["d1"] = document(level={"desired": {"value": "4"}})
    async with runs(bench.driver):
        await manager.until(lambda: "4" in manager.values("level"))
    assert bench.written == [("level", 4)]


async def test_a_device_can_be_asked_for_with_its_last_values(bench: Bench, manager: Manager, runs: Runs) -> None:
    bench.values = {"temp": 8}
    manager.devices["d1"] = document(temp={})
    async with runs(bench.driver):
        await manager.until(lambda: manager.reports)
        answer = await manager.call("GetDevice", deviceName="d1", deviceNamespace="default")
    assert answer.device.spec == manager.devices["d1"].spec
    assert [twin.reported.value for twin in answer.device.status.twins] == ["8"]


async def test_a_changed_model_changes_its_devices(bench: Bench, manager: Manager, runs: Runs) -> None:
    bench.values = {"temp": 8.4}
    manager.devices["d1"] = document(temp={})
    changed = pb.DeviceModel()
    changed.CopyFrom(MODEL)
    changed.spec.properties[0].type = "FLOAT"
    async with runs(bench.driver):
        await manager.until(lambda: "8" in manager.values("temp"))
        await manager.call("UpdateDeviceModel", model=changed)
        await manager.until(lambda: "8.4" in manager.values("temp"))
        answer = await manager.call("CreateDeviceModel", model=MODEL)
        assert (answer.deviceModelNamespace, answer.deviceModelName) == ("default", "bench")
        await manager.call("RemoveDeviceModel", modelName="bench", modelNamespace="default")


@pytest.mark.parametrize("method", ["RegisterDevice", "UpdateDevice", "CreateDeviceModel", "UpdateDeviceModel"])
async def test_what_has_no_name_is_refused(method: str, bench: Bench, manager: Manager, runs: Runs) -> None:
    async with runs(bench.driver):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await manager.call(method)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_when_it_stops_its_devices_are_unknown(bench: Bench, manager: Manager, runs: Runs) -> None:
    bench.values = {"temp": 8}
    manager.devices["d1"] = document(temp={})
    async with runs(bench.driver):
        await manager.until(lambda: manager.states)
    assert manager.states == [("default/d1", "online", ""), ("default/d1", "unknown", "the mapper stopped")]


async def test_one_device_that_does_not_answer_delays_no_other(bench: Bench, manager: Manager, runs: Runs) -> None:
    bench.values = {"temp": 8}
    bench.hangs = {"far"}
    manager.devices = {name: document(name, place, temp={}) for name, place in (("d1", "far"), ("d2", "near"))}
    async with runs(bench.driver, deadline=0.5):
        await manager.until(lambda: any(report.deviceName == "d2" for report in manager.reports))
        reason = "no answer within 0.5 s while reading temp"
        await manager.until(lambda: ("default/d1", "offline", reason) in manager.states)
        assert {report.deviceName for report in manager.reports} == {"d2"}


async def test_a_socket_that_cannot_be_had_is_told_with_a_way_out(bench: Bench, sockets: Path) -> None:
    (sockets / "file").touch()
    mapper = Mapper(bench.driver, MapperConfig(manager=sockets / "dmi.sock", socket=sockets / "file" / "m.sock"))
    with pytest.raises(Unavailable, match="choose another socket"):
        async with asyncio.timeout(10):
            await mapper.run()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"socket": Path("/" + "x" * 120)}, "107 bytes at most"),
        ({"manager": Path("/a/x.sock"), "socket": Path("/a/x.sock")}, "cannot be its manager's"),
        ({"listen": "0.0.0.0:7777"}, "loopback"),
        ({"listen": "7777"}, "loopback"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(given: dict[str, object], reason: str, bench: Bench) -> None:
    with pytest.raises(Rejected, match=reason):
        Mapper(bench.driver, MapperConfig(**given))


def test_the_services_and_the_double_are_those_of_the_protocol() -> None:
    services = pb.DESCRIPTOR.services_by_name
    for name, methods in (("DeviceManagerService", double.METHODS), ("DeviceMapperService", double.CALLS)):
        declared = {
            method.name: (method.input_type.full_name, method.output_type.full_name)
            for method in services[name].methods
        }
        used = {key: (a.DESCRIPTOR.full_name, b.DESCRIPTOR.full_name) for key, (a, b) in methods.items()}
        assert used == declared
    assert services["DeviceMapperService"].full_name == own_service.SERVICE
    assert f"/{services['DeviceManagerService'].full_name}/" == own_uplink.SERVICE
