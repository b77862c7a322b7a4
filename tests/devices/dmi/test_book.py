from __future__ import annotations

from typing import Any

from devices.dmi.book import Book
from devices.dmi.manifest import Mapper, MapperSpec, manifest_of, object_name
from devices.dmi.route import Key, Route
from twins.instructions import Revision
from twins.manifests import Device, DeviceModel
from twins.property import Change
from twins.schema import decode
from twins.values import Property, Value, Version, is_name

D1, M1 = Key("device", "default/d1"), Key("model", "default/m1")


def device(protocol: str = "p", model: str = "m1") -> Device:
    spec: dict[str, Any] = {"protocol": {"protocolName": protocol}, "deviceModelRef": {"name": model}}
    return decode({"kind": "Device", "metadata": {"name": "d1"}, "spec": spec}, Device, "test")


def model(protocol: str = "") -> DeviceModel:
    return decode({"kind": "DeviceModel", "metadata": {"name": "m1"}, "spec": {"protocol": protocol}}, DeviceModel, "")


def mapper(
    name: str = "one", *, at: int = 1, protocol: str = "p", data: bool = True, address: str = "/m.sock"
) -> Mapper:
    return manifest_of(MapperSpec(name, protocol, address, with_data=data, registered=at))


def drained(book: Book, protocol: str = "p") -> list[Key]:
    """All that is marked, in the order of telling."""
    found = []
    route = book.routes[protocol]
    while (key := route.next(lambda key: book.serves(protocol, key))) is not None:
        found.append(key)
    return found


def book(*, strict: bool = False) -> Book:
    """With a model, a device and a mapper that has heard all."""
    made = Book(lambda name: None, strict=strict)
    made.model("default/m1", model())
    made.device("default/d1", device())
    made.begin()
    made.mapper("default/one", mapper())
    drained(made)
    return made


def test_a_new_mapper_has_to_hear_of_models_and_then_of_devices() -> None:
    made = book()
    made.mapper("default/two", mapper("two", at=2))
    assert drained(made) == [M1, D1]


def test_a_device_that_changes_ten_times_is_told_once() -> None:
    made = book()
    for _ in range(10):
        made.device("default/d1", device())
    assert drained(made) == [M1, D1]


def test_a_device_goes_before_the_model_that_nobody_uses_any_more() -> None:
    made = book()
    made.device("default/d1", None)
    assert drained(made) == [D1, M1]
    assert not made.serves("p", D1)
    assert not made.serves("p", M1)


def test_a_device_that_changes_its_protocol_leaves_one_mapper_and_comes_to_another() -> None:
    made = book()
    made.mapper("default/other", mapper("other", protocol="q"))
    drained(made, "q")
    made.device("default/d1", device("q"))
    assert D1 in drained(made)
    assert not made.serves("p", D1)
    assert D1 in drained(made, "q")
    assert made.serves("q", D1)


def test_a_model_marks_the_devices_that_use_it() -> None:
    made = book()
    made.model("default/m1", model())
    assert drained(made) == [M1, D1]


def test_a_model_of_a_protocol_is_told_without_any_device() -> None:
    made = book()
    made.device("default/d1", None)
    drained(made)
    made.model("default/m1", model("p"))
    assert drained(made) == [M1]
    assert made.serves("p", M1)


def value(text: str) -> Property:
    return Property(desired=Value(text, 1, Version(1, 0)))


def test_only_a_change_of_what_is_desired_marks_a_device() -> None:
    made = book()
    reported = Property(reported=Value("1", 1, Version(1, 0)))
    made.tell([Revision("default/d1", "c", {"x": Change(reported, reported), "y": Change(value("1"), value("1"))})])
    made.tell([Revision("default/nobody", "c", {"x": Change(None, value("1"))})])
    assert drained(made) == []
    made.tell([Revision("default/d1", "c", {}, {"x": value("1")})])
    assert drained(made) == [D1]


def test_the_mapper_that_registered_last_is_called_and_the_one_before_when_it_is_deleted() -> None:
    made = book()
    route = made.routes["p"]
    made.mapper("default/two", mapper("two", at=2, address="/two.sock"))
    assert (route.spec.address, route.generation) == ("/two.sock", 1)
    made.mapper("default/two", None)
    assert (route.spec.address, route.generation) == ("/m.sock", 2)
    made.mapper("default/one", None)
    assert made.routes == {}


def test_a_mapper_without_an_address_is_not_called_nor_in_strict_mode_one_without_data() -> None:
    made = book()
    made.mapper("default/two", mapper("two", protocol="q", address=""))
    made.mapper("default/three", mapper("three", protocol="r", data=False))
    assert set(made.routes) == {"p", "r"}
    strict = book(strict=True)
    strict.mapper("default/three", mapper("three", protocol="r", data=False))
    assert set(strict.routes) == {"p"}


def test_what_a_mapper_of_an_earlier_run_knows_is_not_known() -> None:
    made = Book(lambda name: None)
    made.mapper("default/one", mapper())
    assert not made.routes["p"].fresh
    made.begin()
    made.mapper("default/one", mapper(at=5))
    assert made.routes["p"].fresh


def test_nothing_is_given_out_while_all_is_being_told() -> None:
    route = Route(mapper().spec, fresh=True)
    route.touch(D1)
    route.hold()
    assert route.next(lambda key: True) is None
    route.release()
    assert route.next(lambda key: True) == D1


def test_names_of_mappers_become_names_of_objects_and_stay_apart() -> None:
    names = ["modbus-mapper", "Modbus-Mapper", "modbus_mapper", "Ü", "x" * 400, "-"]
    made = [object_name(name) for name in names]
    assert made[0] == "modbus-mapper"
    assert len(set(made)) == len(names)
    assert all(map(is_name, made))
