"""What messages of the cloud mean for the twins, decided from recorded frames."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from cloud import frames
from cloud.catalog import Catalog
from cloud.messages import Members
from cloud.past import Older
from twins.errors import Rejected
from twins.liveness import INTERVAL, NEVER, Rhythm
from twins.stimuli import Admitted, Enumerated, Joined, Left, Synchronised, Wish
from twins.values import Attribute, Version

FRAMES = [json.loads(line)["frame"] for line in (Path(__file__).parent / "frames.jsonl").read_text().splitlines()]


def recorded(operation: str, resource: str, index: int = 0):
    found = [f for f in FRAMES if f'"operation":"{operation}","resource":"{resource}"' in f and '"content":{' in f]
    return frames.decode(found[index])


MODEL = recorded("insert", "default/devicemodel/thermo-model")
DEVICE = recorded("insert", "default/device/thermo1")
UPDATE = recorded("update", "default/device/thermo1", 0)
RECONCILED = recorded("update", "default/device/thermo1", 1)
REMOVAL = recorded("delete", "default/device/thermo1")
MODEL_REMOVAL = recorded("delete", "default/devicemodel/thermo-model")
MEMBERS = [m for m in map(frames.decode, FRAMES) if isinstance(m, Members)]
ADDED = MEMBERS[0]
REMOVED = next(m for m in MEMBERS if m.removed)


class Cloud:
    """A catalog whose every step is committed at once."""

    def __init__(self) -> None:
        self.disk: dict = {}
        self.catalog = Catalog({})

    def __call__(self, message, seen: int = 5):
        step = self.catalog.step(message, "cloud:1:1", seen)
        if step is None:
            return None
        self.catalog.keep(step)
        for key, data in step.manifests.items():
            self.disk.pop(key, None) if data is None else self.disk.update({key: data})
        return list(step.stimuli)


def test_the_recorded_life_of_a_device():
    cloud = Cloud()
    assert cloud(MODEL) == []
    (joined,) = cloud(DEVICE)
    assert isinstance(joined, Joined)
    assert (joined.device, joined.description, joined.model) == ("default/thermo1", "boiler-room", "thermo-model")
    assert joined.origin == "cloud"
    temperature = joined.properties["temperature"]
    assert (temperature.kind, temperature.desired, temperature.maximum, temperature.unit) == ("int", "20", 100.0, "C")
    assert cloud.catalog.declared("default/thermo1") == {"temperature", "mode"}
    assert cloud(UPDATE)[0].properties["temperature"].desired == "25"
    assert cloud(RECONCILED)[0].properties["temperature"].desired == "26"  # its source is edgecontroller
    assert cloud(MODEL_REMOVAL) == []
    assert cloud(REMOVED) is None  # the object decides, not the membership
    assert cloud(REMOVAL) == [Left("default/thermo1", "cloud:1:1", 5)]
    assert cloud.disk == {}


@pytest.mark.parametrize(("annotation", "interval"), [("30", 30_000_000), ("never", NEVER), ("soon", 0), (None, 0)])
def test_a_device_of_the_cloud_declares_how_often_it_is_to_be_heard(annotation, interval):
    """And what cannot be read stops no device: CloudCore would send it again for ever."""
    body = json.loads(DEVICE.content)
    body["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    body["metadata"]["annotations"] |= {} if annotation is None else {INTERVAL: annotation}
    body["spec"]["properties"][0] |= {"reportCycle": 5000, "collectCycle": None}
    cloud = Cloud()
    cloud(MODEL)
    (joined,) = cloud(msgspec.structs.replace(DEVICE, content=json.dumps(body).encode()))
    assert joined.rhythm == Rhythm(interval, 5_000_000)
    kept = json.loads(cloud.disk["Device", "default/thermo1"])["metadata"].get("annotations", {})
    assert kept == ({} if annotation is None else {INTERVAL: annotation})


def test_a_repeat_and_an_older_version_have_no_effect():
    cloud = Cloud()
    for message in (MODEL, DEVICE, UPDATE):
        cloud(message)
    assert cloud(UPDATE) is None
    assert cloud(DEVICE) is None
    assert cloud(MODEL) is None


def at(version: int):
    """The recorded device in another version of the same object."""
    said = json.loads(UPDATE.content)
    said["metadata"]["resourceVersion"] = str(version)
    return msgspec.structs.replace(UPDATE, version=str(version), content=json.dumps(said).encode())


def test_older_versions_after_a_minute_without_a_newer_are_those_of_a_restored_cluster():
    cloud = Cloud()
    for message in (MODEL, at(1000)):
        cloud(message)
    second = 1_000_000
    assert cloud(at(500), seen=10 * second) is None
    assert cloud(at(501), seen=69 * second) is None
    past = cloud.catalog.past
    assert (past.ignored, past.older) == (2, {("Device", "default/thermo1"): Older("1000", "501", 10 * second)})
    joined, told = cloud(at(502), seen=70 * second)
    assert isinstance(joined, Joined)
    assert told.event.message.startswith("the cloud has gone back to version 502 of Device default/thermo1 from 1000")
    assert past.older == {}
    assert len(cloud(at(503), seen=71 * second)) == 1, "it is the newest now"


@pytest.mark.parametrize("version", [1000, 1001])
def test_a_stale_copy_is_one_when_what_we_have_or_newer_comes_after_it(version: int):
    cloud = Cloud()
    for message in (MODEL, at(1000), at(999), at(version)):
        cloud(message)
    assert cloud(at(999), seen=3_600_000_000) is None
    assert cloud.catalog.past.ignored == 2


def test_what_is_remembered_of_a_device_goes_with_it():
    cloud = Cloud()
    for message in (MODEL, DEVICE):
        cloud(message)
    cloud.catalog.note("default/thermo1", ("ghost",))
    cloud.catalog.note("default/local", ("ghost",))
    assert cloud.catalog.undeclared == {"default/thermo1": ("ghost",)}, "of others the cloud hears nothing"
    cloud(at(1))
    assert cloud.catalog.past.older
    cloud(REMOVAL)
    assert (cloud.catalog.undeclared, cloud.catalog.past.older) == ({}, {})


def test_nothing_is_taken_in_before_its_commit():
    catalog = Catalog({})
    assert catalog.step(MODEL, "c", 1) is not None
    assert catalog.step(MODEL, "c", 1) is not None


def test_a_repeat_is_known_after_a_restart_from_the_manifests_on_disk():
    cloud = Cloud()
    cloud(MODEL)
    cloud(DEVICE)
    again = Catalog({**cloud.disk, ("Device", "default/local"): b'{"kind":"Device","metadata":{"name":"local"}}'})
    assert again.step(DEVICE, "c", 1) is None
    assert again.declared("default/thermo1") == {"temperature", "mode"}
    assert not again.knows("default/local")


def test_a_device_waits_for_its_model():
    cloud = Cloud()
    assert cloud(DEVICE) == []
    assert cloud.catalog.pending == ("default/thermo1",)
    (joined,) = cloud(MODEL)
    assert joined.properties["temperature"].kind == "int"
    assert cloud.catalog.pending == ()


def test_a_device_made_anew_while_we_were_away_leaves_first():
    cloud = Cloud()
    cloud(MODEL)
    cloud(DEVICE)
    anew = msgspec.structs.replace(RECONCILED, content=RECONCILED.content.replace(b"365c1822", b"00000000"))
    left, joined = cloud(anew)
    assert (type(left), type(joined)) == (Left, Joined)
    assert cloud(REMOVAL) is None  # the late removal of the earlier one


def test_a_reconciling_removal_with_nothing_but_metadata_is_understood():
    """As CloudCore v1.23.1 sends it for what was deleted while its node was away."""
    cloud = Cloud()
    cloud(MODEL)
    cloud(DEVICE)
    meta = {"name": "thermo1", "namespace": "default", "uid": "365c1822-8d89-4498-8a0a-f4e0bcb68b67"}
    bare = msgspec.json.encode({"metadata": meta})
    assert cloud(msgspec.structs.replace(REMOVAL, content=bare, source="edgecontroller")) == [
        Left("default/thermo1", "cloud:1:1", 5)
    ]


def test_a_model_that_changed_alone_comes_without_kind_and_version():
    """CloudCore's devicecontroller has not seen it, so nothing has put them there; they are kept all the same."""
    cloud = Cloud()
    cloud(MODEL)
    cloud(DEVICE)
    body = json.loads(MODEL.content)
    del body["kind"], body["apiVersion"]
    body["metadata"]["resourceVersion"] = "999"
    body["spec"]["properties"][0]["maximum"] = "500"
    update = {"operation": "update", "source": "edgecontroller", "version": "999", "content": msgspec.json.encode(body)}
    (joined,) = cloud(msgspec.structs.replace(MODEL, **update))
    assert joined.properties["temperature"].maximum == 500.0
    kept = json.loads(cloud.disk["DeviceModel", "default/thermo-model"])
    assert (kept["kind"], kept["apiVersion"]) == ("DeviceModel", "devices.kubeedge.io/v1beta1")


def test_membership_without_an_object_joins_and_leaves_as_old_clouds_mean_it():
    cloud = Cloud()
    (admitted,) = cloud(ADDED)
    assert isinstance(admitted, Admitted)
    assert (admitted.device, admitted.wishes) == ("default/thermo1", {})
    assert cloud(REMOVED) == [Left("default/thermo1", "cloud:1:1", 5)]


def test_a_member_that_was_deleted_before_its_object_came_leaves():
    cloud = Cloud()
    cloud(ADDED)
    assert cloud(REMOVAL) == [Left("default/thermo1", "cloud:1:1", 5, "cloud")]


def test_membership_of_old_clouds_carries_what_is_desired():
    injected = next(m for m in MEMBERS if m.added and m.added[0].twin)
    (admitted,) = Cloud()(injected)
    wish = admitted.wishes["temperature"]
    assert (wish.kind, wish.desired) == ("int", "57")


def said(resource: str, content: dict) -> object:
    route = {"source": "devicecontroller", "group": "twin", "operation": "update", "resource": resource}
    return frames.decode(json.dumps({"header": {"msg_id": "m"}, "route": route, "content": content}))


@pytest.mark.parametrize(("where", "device"), [("a/d1", "a/d1"), ("d1", "default/d1"), ("device/twin", "device/twin")])
def test_a_wish_of_an_old_cloud_names_its_device_by_all_between_device_and_twin(where: str, device: str):
    sw = {"expected": {"value": "on"}, "expected_version": {"cloud": 2, "edge": 1}, "metadata": {"type": "string"}}
    (wished,) = Cloud()(said(f"device/{where}/twin/cloud_updated", {"event_id": "e", "twin": {"sw": sw}}))
    assert wished == Synchronised(device, "cloud:1:1", 5, {"sw": Wish("on", Version(1, 2), "string")}, "e")


@pytest.mark.parametrize("content", [{}, {"twin": None}, {"twin": {"a b": {}}}, {"twin": {"k": {"expected": {}}}}])
def test_a_wish_that_cannot_be_read_is_rejected(content: dict):
    with pytest.raises(Rejected):
        Cloud()(said("device/default/d1/twin/cloud_updated", content))


def test_the_whole_list_of_an_old_cloud_admits_and_enumerates():
    member = {"id": "default/d1", "attributes": {"a": {"value": "1", "metadata": {"type": "int"}}}}
    admitted, listed = Cloud()(said("membership/detail", {"devices": [member]}))
    assert admitted.attributes == {"a": Attribute("1", None, "int")}
    assert listed == Enumerated("", "cloud:1:1", 5, frozenset({"default/d1"}))


def test_a_kind_of_no_use_asks_for_nothing():
    node = frames.decode(
        '{"header":{"msg_id":"m"},"route":{"group":"resource","operation":"update","resource":"null/node/n1"},'
        '"content":{"kind":"Node","metadata":{"name":"n1"}}}'
    )
    assert Cloud()(node) is None


def test_an_object_that_cannot_be_read_is_rejected_by_name():
    with pytest.raises(Rejected, match="Device default/thermo1 from the cloud cannot be read"):
        Cloud()(msgspec.structs.replace(DEVICE, content=b'{"kind":"Device","metadata":{"name":5}}'))
