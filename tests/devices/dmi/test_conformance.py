"""KubeEdge's cases for the device management interface, by their ids, in both modes: a real gateway, a real mosquitto,
real gRPC on unix sockets. `K` are requests and answers; what mappers are told has a test of its own each.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from copy import deepcopy
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiomqtt
import grpc
import pytest

from devices.dmi.wire import dmi_pb2 as pb
from tests.devices.dmi.mapper import Manager, Mapper, manager, mapper, twin
from tests.gateway.process import Gateway

NUMBERS = count()
MODEL = {
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "kind": "DeviceModel",
    "metadata": {"name": "pump"},
    "spec": {
        "protocol": "p0",
        "protocolConfigData": {"baudRate": 9600, "parity": "even"},
        "properties": [
            {
                "name": "level",
                "type": "INT",
                "accessMode": "ReadWrite",
                "minimum": "0",
                "maximum": "100",
                "visitors": {"protocolName": "p0", "configData": {"offset": 1, "limit": 1}},
            },
            {"name": "temp", "type": "FLOAT", "accessMode": "ReadOnly"},
            {"name": "note", "type": "STRING"},
        ],
    },
}


def device(name: str, protocol: str, config: dict[str, Any] | None = None, **desired: str) -> dict[str, Any]:
    """A pump with the property `level` and whatever is desired."""
    names = dict.fromkeys(["level", *desired])
    properties = [
        {
            "name": each,
            "visitors": {"protocolName": protocol, "configData": {"limit": 2}},
            **({"desired": {"value": desired[each]}} if each in desired else {}),
        }
        for each in names
    ]
    return {
        "apiVersion": "devices.kubeedge.io/v1beta1",
        "kind": "Device",
        "metadata": {"name": name},
        "spec": {
            "deviceModelRef": {"name": "pump"},
            "protocol": {"protocolName": protocol, "configData": config or {"slaveID": 1}},
            "properties": properties,
            "methods": [{"name": "setLevel", "propertyNames": ["level", "note"]}],
        },
    }


class House:
    """A gateway, and what a test does to it."""

    def __init__(self, gateway: Gateway, folder: Path, mode: str) -> None:
        self.gateway = gateway
        self.folder = folder
        self.strict = mode == "strict"
        self.socket = folder / "dmi.sock"

    async def apply(self, *manifests: dict[str, Any]) -> None:
        await asyncio.to_thread(self.gateway.apply, "\n---\n".join(map(json.dumps, manifests)))

    async def set(self, name: str, prop: str, value: str) -> tuple[int, Any]:
        path = f"/api/v1/devices/default/{name}/desired/{prop}"
        return await asyncio.to_thread(self.gateway.ask, "PUT", path, {"value": value})

    async def delete(self, name: str) -> None:
        await asyncio.to_thread(self.gateway.ask, "DELETE", f"/api/v1/manifests/Device/default/{name}")

    @asynccontextmanager
    async def ear(self, name: str) -> AsyncIterator[Ear]:
        async with aiomqtt.Client("127.0.0.1", self.gateway.broker(), timeout=5) as client:
            await client.subscribe(f"$hw/events/device/default/{name}/#", qos=1)
            yield Ear(client)


class Ear:
    """What an MQTT client hears of one device."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._messages = client.messages

    async def hears(self, verb: str) -> dict[str, Any]:
        """The next message of that kind; those before it are passed over."""
        async with asyncio.timeout(10):
            async for message in self._messages:
                if message.topic.value.endswith(f"/{verb}"):
                    return dict(json.loads(bytes(message.payload)))
        raise AssertionError("the broker went away")


@pytest.fixture(scope="module", params=["default", "strict"])
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    with TemporaryDirectory(prefix="dmi") as name:  # a socket's path has room for 107 bytes
        folder = Path(name)
        sections = {"dmi": f'socket = "{folder}/dmi.sock"', "twins": f'compat = "{request.param}"'}
        with Gateway(folder, **sections) as gateway:
            gateway.start()
            gateway.says("mappers are served on")
            gateway.apply(json.dumps(MODEL))
            yield House(gateway, folder, request.param)


@pytest.fixture
async def door(house: House) -> AsyncIterator[Manager]:
    async with manager(house.socket) as found:
        yield found


@pytest.fixture
async def own(house: House) -> AsyncIterator[Mapper]:
    """Each test's own: the gateway goes on looking for those of others."""
    async with mapper(house.folder / f"own-{next(NUMBERS)}.sock") as found:
        yield found


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code(), error.value.details() or ""


# -- what mappers say ----------------------------------------------------------------------------------------------


async def test_dmi_01_a_mapper_gets_the_devices_of_its_protocol_with_their_models(house: House, door: Manager) -> None:
    await house.apply(device("k01", "p01"), device("k01-other", "p01-other"))
    answer = await door.register("m01", "p01")
    assert [each.name for each in answer.deviceList] == ["k01"]
    assert [each.name for each in answer.modelList] == ["pump"]
    (found,) = answer.deviceList
    assert found.namespace == "default"
    assert found.spec.deviceModelReference == "pump"
    assert set(found.spec.protocol.configData.data) == {"slaveID", "baudRate", "parity"}
    assert [(m.name, list(m.propertyNames)) for m in found.spec.methods] == [("setLevel", ["level", "note"])]
    level = answer.modelList[0].spec.properties[0]
    assert (level.name, level.type, level.accessMode, level.minimum, level.maximum) == (
        "level",
        "INT",
        "ReadWrite",
        "0",
        "100",
    )


BAD_REGISTRATIONS = {
    "DMI-02": (
        pb.MapperInfo(name="m02", address=b"/run/m.sock"),
        "fail to register mapper m02 because the protocol is nil",
    ),
    "no name": (pb.MapperInfo(protocol="p02"), "needs a name"),
    "no path": (pb.MapperInfo(name="m", protocol="p02", address=b"m.sock"), "no address"),
    "no UTF-8": (pb.MapperInfo(name="m", protocol="p02", address=b"/\xff"), "not UTF-8"),
}


@pytest.mark.parametrize("case", BAD_REGISTRATIONS)
async def test_a_registration_is_refused(door: Manager, case: str) -> None:
    info, words = BAD_REGISTRATIONS[case]
    code, reason = await refused(door.call("MapperRegister", pb.MapperRegisterRequest(withData=True, mapper=info)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert words in reason


async def test_dmi_03_without_data_the_answer_is_empty_and_calls_come_all_the_same(
    house: House, door: Manager, own: Mapper
) -> None:
    await house.apply(device("k03", "p03"))
    answer = await door.register("m03", "p03", own.socket, data=False)
    assert not answer.deviceList
    assert not answer.modelList
    if house.strict:  # EdgeCore never calls it: what the next one hears is the first call of all
        await house.set("k03", "level", "3")
        await door.register("m03", "p03", own.socket)
        await house.set("k03", "level", "4")
        request = await own.hears("UpdateDevice")
        assert request.device.spec.properties[0].desired.value == "4"
    else:
        assert (await own.hears("RegisterDevice")).device.name == "k03"
        await house.set("k03", "level", "3")
        request = await own.hears("UpdateDevice")
        assert request.device.spec.properties[0].desired.value == "3"


async def test_dmi_04_a_report_is_an_update_that_mqtt_hears_of(house: House, door: Manager) -> None:
    await house.apply(device("k04", "p04"))
    async with house.ear("k04") as ear:
        await door.report("k04", twin("temp", "21"))
        result = await ear.hears("twin/update/result")
        assert result["event_id"] == ""
        assert result["twin"]["temp"]["actual"]["value"] == "21"
        document = await ear.hears("twin/update/document")
        assert document["twin"]["temp"]["last"] is None
        assert document["twin"]["temp"]["current"]["actual"]["value"] == "21"
        assert house.gateway.reported("k04", "temp") == "21"


async def test_a_value_that_a_mapper_believes_to_be_desired_is_taken_while_nothing_was(
    house: House, door: Manager
) -> None:
    await house.apply(device("k04b", "p04"))
    async with house.ear("k04b") as ear:
        await door.report("k04b", twin("level", "21", "22"))
        assert (await ear.hears("twin/update/result"))["twin"]["level"]["expected"]["value"] == "22"
        assert (await ear.hears("twin/update/delta"))["delta"] == {"level": "22"}
        await house.set("k04b", "level", "30")
        assert (await ear.hears("twin/update/delta"))["delta"] == {"level": "30"}
        await door.report("k04b", twin("level", "21", "22"))  # it has not heard of 30 yet
        expected = (await ear.hears("twin/update/result"))["twin"]["level"]["expected"]["value"]
        assert expected == ("22" if house.strict else "30")


async def test_dmi_05_the_twins_of_one_report_are_one_update_or_in_strict_mode_one_each(
    house: House, door: Manager
) -> None:
    await house.apply(device("k05", "p05"))
    async with house.ear("k05") as ear:
        await door.report("k05", twin("temp", "21"), twin("level", "7"))
        first = await ear.hears("twin/update/result")
        if house.strict:
            assert set(first["twin"]) == {"temp"}
            assert set((await ear.hears("twin/update/result"))["twin"]) == {"level"}
        else:
            assert set(first["twin"]) == {"temp", "level"}
            code, reason = await refused(door.report("k05", twin("temp", "22"), twin("level", "700")))
            assert code is grpc.StatusCode.INVALID_ARGUMENT
            assert "above the maximum" in reason
            assert house.gateway.reported("k05", "temp") == "21"


BAD_REPORTS: dict[str, tuple[pb.DeviceStatus | None, str]] = {
    "DMI-06": (None, "ReportDeviceStatusRequest does not have twin data"),
    "DMI-06 no twins": (pb.DeviceStatus(), "ReportDeviceStatusRequest does not have twin data"),
    "DMI-07": (
        pb.DeviceStatus(twins=[pb.Twin(propertyName="temp", reported=pb.TwinProperty(value="1"))]),
        "temp: observedDesired is missing",
    ),
    "DMI-07 reported": (
        pb.DeviceStatus(twins=[pb.Twin(propertyName="temp", observedDesired=pb.TwinProperty(value="1"))]),
        "temp: reported is missing",
    ),
}


@pytest.mark.parametrize("case", BAD_REPORTS)
async def test_a_report_is_refused_and_the_next_is_taken(house: House, door: Manager, case: str) -> None:
    await house.apply(device("k06", "p06"))
    status, words = BAD_REPORTS[case]
    request = pb.ReportDeviceStatusRequest(deviceName="k06", deviceNamespace="default", reportedDevice=status)
    assert await refused(door.call("ReportDeviceStatus", request)) == (grpc.StatusCode.INVALID_ARGUMENT, reason(words))
    await door.report("k06", twin("temp", str(len(case))))
    assert house.gateway.reported("k06", "temp") == str(len(case))


class reason(str):  # noqa: N801 - reads as a word of the assertion
    """Equal to any text that begins like it."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and other.startswith(str(self))


async def test_dmi_08_one_mapper_may_send_150_reports_and_in_strict_mode_100(house: House, door: Manager) -> None:
    await house.apply(device("k08", "p08"))
    answers = await asyncio.gather(
        *(door.report("k08", twin("temp", str(n))) for n in range(150)), return_exceptions=True
    )
    errors = [each for each in answers if isinstance(each, grpc.aio.AioRpcError)]
    if not house.strict:
        assert not errors
        return
    assert 40 <= len(errors) <= 50
    assert {each.code() for each in errors} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert {each.details() for each in errors} == {"fail to report device status because of too many request: k08"}


async def test_dmi_09_a_state_is_told_on_mqtt(house: House, door: Manager) -> None:
    await house.apply(device("k09", "p09"))
    async with house.ear("k09") as ear:
        await door.state("k09", "online")
        told = await ear.hears("state/update/result")
        assert told["device"]["state"] == "online"
        assert told["device"]["name"] == "k09"
        assert told["device"]["lastOnlineTime"]


@pytest.mark.parametrize(("name", "state"), [("k10", ""), ("", "online")])
async def test_dmi_10_a_state_report_without_name_or_state_is_refused(door: Manager, name: str, state: str) -> None:
    assert await refused(door.state(name, state)) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "ReportDeviceStatesRequest is invalid data",
    )


async def test_a_state_that_is_none_is_refused_with_its_reason(house: House, door: Manager) -> None:
    await house.apply(device("k10", "p10"))
    if house.strict:  # EdgeCore drops it without a word
        await door.state("k10", "running")
    else:
        code, words = await refused(door.state("k10", "running"))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "offline, ok, online" in words


async def test_dmi_11_type_and_time_of_the_source_are_used(house: House, door: Manager) -> None:
    await house.apply({**device("k11", "p11"), "spec": {"protocol": {"protocolName": "p11"}}})
    async with house.ear("k11") as ear:
        now = 1_000 * (await asyncio.to_thread(house.gateway.rows, "SELECT epoch_ms(now()) // 1000"))[0][0] - 60_000
        await door.report("k11", twin("depth", "7", type="int", timestamp=str(now)))
        kind = (await ear.hears("twin/update/result"))["twin"]["depth"]["metadata"]["type"]
        if house.strict:
            assert kind == "string"
            return
        assert kind == "int"
        query = "SELECT epoch_ms(time) FROM points WHERE device = 'k11' AND property = 'depth'"
        assert (await asyncio.to_thread(house.gateway.rows, query)) == [[now]]
        code, _ = await refused(door.report("k11", twin("depth", "seven", type="int", timestamp=str(now))))
        assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_report_sent_again_is_answered_and_stored_once(house: House, door: Manager) -> None:
    if house.strict:
        pytest.skip("strict mode drops the time of the source, which tells a repeat from news")
    await house.apply({**device("k11b", "p11"), "spec": {"protocol": {"protocolName": "p11"}}})
    said = twin("depth", "7", timestamp="1795255200000")
    await door.report("k11b", said)
    await door.report("k11b", twin("depth", "8", timestamp="1795255200001"))
    await door.report("k11b", said)
    assert house.gateway.reported("k11b", "depth") == "8"


@pytest.mark.parametrize("name", ["k22-nobody", "K22 with / in it"])
async def test_dmi_22_a_report_for_no_device_of_ours(house: House, door: Manager, name: str) -> None:
    async with house.ear(name if "/" not in name else "k22") as ear:
        if "/" in name:
            code, _ = await refused(door.report(name, twin("temp", "1")))
            assert code is grpc.StatusCode.INVALID_ARGUMENT
            return
        if house.strict:
            await door.report(name, twin("temp", "1"))
        else:
            code, words = await refused(door.report(name, twin("temp", "1")))
            assert (code, words) == (grpc.StatusCode.NOT_FOUND, "update rejected due to the device is not existed")
        told = await ear.hears("twin/update/result")
        assert (told["code"], told["reason"]) == (404, "update rejected due to the device is not existed")


# -- what mappers are told -----------------------------------------------------------------------------------------


def level_of(request: Any) -> Any:
    return next(p for p in request.device.spec.properties if p.name == "level")


async def test_dmi_12_to_15_a_mapper_hears_of_its_devices_and_only_of_what_changed(
    house: House, door: Manager, own: Mapper
) -> None:
    await door.register("m12", "p12", own.socket)
    await house.apply(device("k12", "p12"))
    told = await own.hears("RegisterDevice")
    assert told.device.name == "k12"
    assert (await own.hears("CreateDeviceModel")).model.name == "pump"

    turned = device("k12", "p12", note="hello", level="1")
    await house.apply(turned)
    await own.hears("UpdateDevice", lambda r: level_of(r).desired.value == "1")
    turned["spec"]["properties"].reverse()  # DMI-13: the same in another order
    turned["spec"]["methods"][0]["propertyNames"].reverse()
    await house.apply(turned)
    assert (await house.set("k12", "level", "2"))[0] == 200
    changed = await own.hears("UpdateDevice", lambda r: level_of(r).desired.value == "2")
    assert {p.name: p.desired.value for p in changed.device.spec.properties} == {"level": "2", "note": "hello"}

    await house.delete("k12")
    gone = await own.hears("RemoveDevice")
    assert (gone.deviceName, gone.deviceNamespace) == ("k12", "default")
    assert own.heard("k12") == ["RegisterDevice", "UpdateDevice", "UpdateDevice", "RemoveDevice"]


async def test_desired_values_of_mqtt_reach_the_mapper_and_so_does_one_that_is_what_it_reported(
    house: House, door: Manager, own: Mapper
) -> None:
    await house.apply(device("k14", "p14"))
    await door.register("m14", "p14", own.socket)
    await door.report("k14", twin("level", "5"))
    topic = "$hw/events/device/default/k14/twin/update"
    async with aiomqtt.Client("127.0.0.1", house.gateway.broker(), timeout=5) as client:
        for value in ("7", "5"):
            body = {"event_id": value, "timestamp": 1, "twin": {"level": {"expected": {"value": value}}}}
            await client.publish(topic, json.dumps(body), qos=1)
            await own.hears("UpdateDevice", lambda r, value=value: level_of(r).desired.value == value)


async def test_dmi_16_what_a_mapper_missed_it_hears_when_it_is_back(house: House, door: Manager) -> None:
    await house.apply(device("k16", "p16"))
    path = house.folder / "m16.sock"
    async with mapper(path):
        await door.register("m16", "p16", path)
    for value in ("1", "2", "3"):
        await house.set("k16", "level", value)
    async with mapper(path) as back:  # it answers again, and has not registered
        await back.hears("UpdateDevice", lambda r: level_of(r).desired.value == "3")
        assert back.heard("k16") == ["UpdateDevice"]
    await house.set("k16", "level", "4")
    async with mapper(path) as again:
        answer = await door.register("m16", "p16", path)
        assert [p.desired.value for p in answer.deviceList[0].spec.properties] == ["4"]
        await house.set("k16", "level", "5")
        await again.hears("UpdateDevice", lambda r: level_of(r).desired.value == "5")
        assert set(again.heard("k16")) == {"UpdateDevice"}


async def test_dmi_20_what_a_device_can_not_be_asked_is_not_sent_but_told(
    house: House, door: Manager, own: Mapper
) -> None:
    wide, whole = deepcopy(MODEL), device("k20", "p20", temp="20", note="fine")
    wide["metadata"]["name"] = narrow_name = "narrowing"
    level, temp, _ = wide["spec"]["properties"]
    level["maximum"], temp["accessMode"] = "1000", "ReadWrite"
    whole["spec"]["deviceModelRef"]["name"] = narrow_name
    await house.apply(wide, whole)
    for name, value in (("level", "500"), ("temp", "30")):
        assert (await house.set("k20", name, value))[0] == 200
    await house.apply(deepcopy(MODEL) | {"metadata": {"name": narrow_name}})
    answer = await door.register("m20", "p20", own.socket)
    found = {p.name: p.desired.value for p in answer.deviceList[0].spec.properties}
    if house.strict:
        assert found == {"level": "500", "temp": "30", "note": "fine"}
        return
    assert found == {"level": "", "temp": "", "note": "fine"}
    house.gateway.says("k20: temp is not set to '30': it is read only in the device's model")
    house.gateway.says("k20: level is not set to '500': the value of level is above the maximum 100")


async def test_dmi_21_of_two_mappers_of_a_protocol_the_last_one_is_called(
    house: House, door: Manager, own: Mapper
) -> None:
    await house.apply(device("k21", "p21"))
    async with mapper(house.folder / "m21.sock") as other:
        await door.register("first", "p21", own.socket)
        await door.register("second", "p21", other.socket)
        await house.set("k21", "level", "1")
        await other.hears("UpdateDevice")
        assert own.calls == []


async def test_a_device_waits_for_its_model(house: House, door: Manager, own: Mapper) -> None:
    waiting = device("k23", "p23")
    waiting["spec"]["deviceModelRef"] = {"name": "later"}
    await house.apply(waiting)
    answer = await door.register("m23", "p23", own.socket)
    assert not answer.deviceList
    house.gateway.says("k23: its mapper is not told of it: its model default/later is not there")
    await house.apply({**MODEL, "metadata": {"name": "later"}})
    assert (await own.hears("CreateDeviceModel")).model.name == "later"
    assert (await own.hears("RegisterDevice")).device.name == "k23"


async def test_a_changed_model_is_told_with_its_devices(house: House, door: Manager, own: Mapper) -> None:
    await house.apply({**MODEL, "metadata": {"name": "valve"}})
    one = device("k24", "p24")
    one["spec"]["deviceModelRef"] = {"name": "valve"}
    await house.apply(one)
    await door.register("m24", "p24", own.socket)
    spec = json.loads(json.dumps(MODEL["spec"]))
    spec["properties"][0]["maximum"] = "50"
    spec["properties"][0]["visitors"]["configData"]["offset"] = 9
    await house.apply({**MODEL, "metadata": {"name": "valve"}, "spec": spec})
    assert (await own.hears("UpdateDeviceModel")).model.spec.properties[0].maximum == "50"
    assert (await own.hears("UpdateDevice")).device.name == "k24"
    await house.delete("k24")
    await own.hears("RemoveDevice")
    gone = await own.hears("RemoveDeviceModel")
    assert (gone.modelName, gone.modelNamespace) == ("valve", "default")


# -- N: the wire ---------------------------------------------------------------------------------------------------


async def test_wir_01_reflection_names_the_service(house: House, door: Manager) -> None:
    reflection = pytest.importorskip("grpc_reflection.v1alpha.reflection_pb2", reason="grpcio-reflection is absent")
    call = door.channel.stream_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        request_serializer=lambda each: each.SerializeToString(),
        response_deserializer=reflection.ServerReflectionResponse.FromString,
    )()
    await call.write(reflection.ServerReflectionRequest(list_services=""))
    answer = await call.read()
    call.cancel()
    assert "v1beta1.DeviceManagerService" in {each.name for each in answer.list_services_response.service}


async def test_one_mapper_that_floods_takes_nothing_from_another(tmp_path: Path) -> None:
    with TemporaryDirectory(prefix="dmi") as name:
        socket = Path(name) / "dmi.sock"
        with Gateway(tmp_path, dmi=f'socket = "{socket}"\nrate = 5\nburst = 10') as gateway:
            gateway.start()
            gateway.says("mappers are served on")
            bare = [{**device(each, f"p-{each}"), "spec": {"protocol": {"protocolName": f"p-{each}"}}} for each in "ab"]
            gateway.apply("\n---\n".join(map(json.dumps, bare)))
            async with manager(socket) as flooding, manager(socket) as other:
                flood = asyncio.gather(
                    *(flooding.report("a", twin("x", str(n))) for n in range(200)), return_exceptions=True
                )
                async with asyncio.timeout(3):
                    await other.report("b", twin("x", "1"))
                codes = {each.code() for each in await flood if isinstance(each, grpc.aio.AioRpcError)}
                assert codes == {grpc.StatusCode.RESOURCE_EXHAUSTED}
                assert gateway.reported("b", "x") == "1"
