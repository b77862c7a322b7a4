from __future__ import annotations

import asyncio
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
import pytest

from devices.dmi.config import DmiConfig
from devices.dmi.route import Key
from tests.devices.dmi.home import Home, config, until
from tests.devices.dmi.mapper import manager, mapper, twin
from twins.errors import Rejected, Unavailable


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="dmi") as name:  # a socket's path has room for 107 bytes
        yield Path(name)


# -- the socket ----------------------------------------------------------------------------------------------------


async def test_the_socket_is_for_user_and_group_and_goes_with_the_door(folder: Path) -> None:
    home = Home(config(folder / "made" / "on-demand"))
    path = folder / "made" / "on-demand" / "dmi.sock"
    async with home.open():
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert not path.exists()


async def test_a_socket_that_nobody_listens_on_is_taken_over(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "dmi.sock"))
    async with Home(config(folder)).open(), manager(folder / "dmi.sock") as door:
        await door.register("m", "p")


async def test_a_socket_that_another_serves_is_left_alone(folder: Path) -> None:
    async with Home(config(folder)).open():
        with pytest.raises(Unavailable, match="another process listens on"):
            await Home(config(folder)).door.run()
        async with manager(folder / "dmi.sock") as door:
            await door.register("m", "p")


async def test_a_file_in_the_place_of_the_socket_is_left_alone(folder: Path) -> None:
    (folder / "dmi.sock").write_text("mine")
    with pytest.raises(Unavailable, match="is no socket"):
        await Home(config(folder)).door.run()
    assert (folder / "dmi.sock").read_text() == "mine"


async def test_a_folder_that_can_not_be_made_is_told_with_a_way_out(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(Unavailable, match=r"can't be made .*\[dmi\] socket"):
        await Home(config(folder / "file")).door.run()


def test_a_path_too_long_for_a_socket_is_refused() -> None:
    with pytest.raises(Rejected, match="at most 107"):
        DmiConfig(Path("/" + "x" * 107)).check()


# -- what mappers call ---------------------------------------------------------------------------------------------


async def test_a_report_is_answered_after_its_commit(folder: Path) -> None:
    home = Home(config(folder))
    async with home.open(), manager(folder / "dmi.sock") as door:
        await home.apply("d1", "p")
        home.disk.held = True
        async with asyncio.TaskGroup() as group:
            report = group.create_task(door.report("d1", twin("x", "1")))
            before = len(home.disk.batches)
            await until(lambda: len(home.disk.batches) > before)
            assert not report.done()
            home.disk.held = False
            await home.disk.commit()


async def test_a_call_larger_than_any_message_is_refused_and_the_next_is_taken(folder: Path) -> None:
    home = Home(config(folder))
    async with home.open(), manager(folder / "dmi.sock") as door:
        await home.apply("d1", "p")
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await door.report("d1", twin("x", "y" * 300_000))
        assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await door.report("d1", twin("x", "1"))


async def test_no_more_mappers_are_registered_than_allowed(folder: Path) -> None:
    async with Home(config(folder, max_mappers=2)).open(), manager(folder / "dmi.sock") as door:
        for name in ("a", "b", "a"):
            await door.register(name, "p")
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await door.register("c", "p")
        assert error.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_what_has_no_room_in_an_answer_is_told_one_by_one(folder: Path) -> None:
    home = Home(config(folder))
    async with home.open(), manager(folder / "dmi.sock") as door, mapper(folder / "m.sock") as own:
        for number in range(30):
            await home.apply(f"d{number}", "p", **{f"x{n}": "y" * 4000 for n in range(40)})
        answer = await door.register("m", "p", own.socket)
        first = {each.name for each in answer.deviceList}
        assert 0 < len(first) < 30
        assert answer.ByteSize() < 4 * 1024 * 1024
        for number in range(30):
            if f"d{number}" not in first:
                await own.hears("RegisterDevice", lambda r, name=f"d{number}": r.device.name == name)
        assert len(own.calls) == 30 - len(first)


async def test_a_thousand_devices_are_handed_over_within_a_second_and_reports_go_on(folder: Path) -> None:
    home = Home(config(folder))
    async with home.open(), manager(folder / "dmi.sock") as door, manager(folder / "dmi.sock") as other:
        for number in range(1000):
            await home.apply(f"d{number}", "p", a="1", b="2", c="3")
        await home.apply("other", "q")
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            answer = group.create_task(door.register("m", "p"))
            await other.report("other", twin("x", "1"))
        assert len(answer.result().deviceList) == 1000
        assert time.monotonic() - began < 5  # 0.3 s on a quiet machine


# -- whom the gateway calls ----------------------------------------------------------------------------------------


async def test_a_mapper_that_hangs_holds_up_neither_the_gateway_nor_other_mappers(folder: Path) -> None:
    home = Home(config(folder))
    sockets = [folder / "slow.sock", folder / "quick.sock"]
    async with (
        home.open(),
        manager(folder / "dmi.sock") as door,
        mapper(sockets[0]) as slow,
        mapper(sockets[1]) as quick,
    ):
        slow.hangs.add("UpdateDevice")
        await home.apply("d1", "p-slow")
        await home.apply("d2", "p-quick")
        await door.register("slow", "p-slow", slow.socket)
        await door.register("quick", "p-quick", quick.socket)
        await home.set("d1", x="1")
        await slow.hears("UpdateDevice")
        for value in ("1", "2", "3"):
            await home.set("d2", x=value)
            await quick.hears("UpdateDevice", lambda r, v=value: r.device.spec.properties[0].desired.value == v)
        await until(lambda: home.book.routes["p-slow"].trouble)
        assert "Deadline" in home.book.routes["p-slow"].trouble
        slow.hangs.clear()
        await home.set("d1", x="9")
        await slow.hears("UpdateDevice", lambda r: r.device.spec.properties[0].desired.value == "9")


async def test_what_a_mapper_refuses_is_told_once_and_tried_again(folder: Path) -> None:
    home = Home(config(folder))
    async with home.open(), manager(folder / "dmi.sock") as door, mapper(folder / "m.sock") as own:
        own.refuses["RegisterDevice"] = (grpc.StatusCode.UNKNOWN, "no such line")
        await door.register("m", "p", own.socket)
        await home.apply("d1", "p")
        await until(lambda: len(own.calls) >= 3)
        own.refuses.clear()
        await until(lambda: Key("device", "default/d1") in home.book.routes["p"].told)
        assert [note.message for note in home.notes] == ["mapper m refuses this device: no such line"]
        calls = len(own.calls)
        await home.set("d1", x="1")
        await own.hears("UpdateDevice")
        assert len(own.calls) == calls + 1


@pytest.mark.parametrize(
    ("method", "code", "instead"),
    [
        ("UpdateDevice", grpc.StatusCode.NOT_FOUND, ["UpdateDevice", "RegisterDevice"]),
        ("UpdateDevice", grpc.StatusCode.UNKNOWN, ["UpdateDevice", "RegisterDevice"]),
        ("UpdateDevice", grpc.StatusCode.UNIMPLEMENTED, ["UpdateDevice"]),
    ],
)
async def test_a_mapper_that_knows_less_than_thought_is_told_more(
    folder: Path, method: str, code: grpc.StatusCode, instead: list[str]
) -> None:
    home = Home(config(folder))
    async with home.open(), manager(folder / "dmi.sock") as door, mapper(folder / "m.sock") as own:
        await home.apply("d1", "p")
        await door.register("m", "p", own.socket)
        own.refuses[method] = (code, "unknown here")
        before = dict(home.book.routes["p"].told)
        await home.set("d1", x="1")
        await until(lambda: home.book.routes["p"].told != before)
        assert own.heard("d1") == instead


async def test_a_model_that_came_between_two_runs_of_the_gateway_is_new_to_the_mapper_framework(folder: Path) -> None:
    first = Home(config(folder))
    async with mapper(folder / "m.sock") as own:
        own.refuses["UpdateDeviceModel"] = (grpc.StatusCode.UNKNOWN, "update deviceModel of-all failed, not existed")
        async with first.open(), manager(folder / "dmi.sock") as door:
            await door.register("m", "p", own.socket)
        second = Home(config(folder))
        second.recover(first.disk)
        async with second.open():
            await second.apply("d1", "p")
            await own.hears("UpdateDevice", lambda r: r.device.name == "d1")
        names = [name for name, _ in own.calls]
        assert names == ["UpdateDeviceModel", "CreateDeviceModel", "UpdateDevice"]
        assert second.notes == []


async def test_a_device_without_a_model_is_not_in_the_answer_to_a_registration(folder: Path) -> None:
    home = Home(config(folder))
    async with home.open(), manager(folder / "dmi.sock") as door, mapper(folder / "m.sock") as own:
        await home.apply("with", "p")
        own.refuses["RegisterDevice"] = (grpc.StatusCode.UNKNOWN, "All attempts fail:\n#1: deviceModel not found")
        spec = {"protocol": {"protocolName": "p"}, "properties": [{"name": "x"}]}
        await home.registry.apply({"kind": "Device", "metadata": {"name": "without"}, "spec": spec}, "test")
        answer = await door.register("m", "p", own.socket)
        assert [device.name for device in answer.deviceList] == ["with"]
        await own.hears("RegisterDevice", lambda r: r.device.name == "without")
        await until(lambda: home.notes)
        assert home.notes[0].message == "mapper m refuses this device: All attempts fail: #1: deviceModel not found"


async def test_many_refusals_make_nobody_wait_for_a_mapper_that_is_back(folder: Path) -> None:
    home = Home(config(folder, backoff_limit=60.0))
    async with home.open(), manager(folder / "dmi.sock") as door:
        async with mapper(folder / "m.sock") as own:
            own.refuses["UpdateDevice"] = own.refuses["RegisterDevice"] = (grpc.StatusCode.UNKNOWN, "no such line")
            await home.apply("d1", "p")
            await door.register("m", "p", own.socket)
            for number in range(12):
                await home.set("d1", x=str(number))
                await own.hears("UpdateDevice", lambda r, n=number: r.device.spec.properties[0].desired.value == str(n))
        await home.set("d1", x="last")
        await until(lambda: home.book.routes["p"].trouble)
        async with mapper(folder / "m.sock") as again:
            await again.hears("UpdateDevice", lambda r: r.device.spec.properties[0].desired.value == "last")


async def test_a_mapper_that_opens_its_own_door_after_it_registered_is_called_soon(folder: Path) -> None:
    """As KubeEdge's mapper-framework does, however long it was away before."""
    home = Home(config(folder, backoff_limit=60.0))
    async with home.open(), manager(folder / "dmi.sock") as door:
        await home.apply("d1", "p")
        for _ in range(12):
            await door.register("m", "p", folder / "m.sock")
            await home.set("d1", x="1")
            await until(lambda: home.book.routes["p"].trouble)
        await home.set("d1", x="2")
        async with mapper(folder / "m.sock") as own:
            await own.hears("UpdateDevice", lambda r: r.device.spec.properties[0].desired.value == "2")


async def test_a_mapper_that_dies_is_told_of_before_anything_is_asked(folder: Path) -> None:
    home = Home(config(folder))
    async with home.open(), manager(folder / "dmi.sock") as door:
        async with mapper(folder / "m.sock"):
            await door.register("m", "p", folder / "m.sock")
        route = home.book.routes["p"]
        await until(lambda: route.trouble)
        assert "m.sock" in route.trouble
        async with mapper(folder / "m.sock"):
            await until(lambda: not route.trouble)


async def test_a_mapper_outlives_the_gateway_and_is_called_by_the_next(folder: Path) -> None:
    first = Home(config(folder))
    async with mapper(folder / "m.sock") as own:
        async with first.open(), manager(folder / "dmi.sock") as door:
            await first.apply("d1", "p", x="1")
            await first.apply("d2", "p", x="1")
            await door.register("m", "p", own.socket)
        second = Home(config(folder))
        second.recover(first.disk)
        async with second.open():
            told = await own.hears("UpdateDevice", lambda r: r.device.name == "d1")
            assert told.device.spec.properties[0].desired.value == "1"
            await second.set("d1", x="2")
            await own.hears("UpdateDevice", lambda r: r.device.spec.properties[0].desired.value == "2")
            await second.registry.delete("Device", "default/d2")
            await own.hears("RemoveDevice", lambda r: r.deviceName == "d2")
    assert "RegisterDevice" not in own.heard("d1")


async def test_a_mapper_that_is_deleted_is_not_called(folder: Path) -> None:
    home = Home(config(folder))
    async with home.open(), manager(folder / "dmi.sock") as door, mapper(folder / "m.sock") as own:
        await home.apply("d1", "p")
        await door.register("m", "p", own.socket)
        await home.registry.delete("Mapper", "default/m")
        assert home.book.routes == {}
        await home.set("d1", x="1")
        await door.register("again", "p", own.socket)
        assert own.calls == []
