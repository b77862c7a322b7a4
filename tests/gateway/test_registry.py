from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from devices.offload import twin as phone
from gateway.operations import Operations
from tests.clock import in_virtual_time
from tests.gateway.stage import Disk, Stage, body, rule, settle
from twins.errors import Rejected
from twins.liveness import ATTENDED, INTERVAL, NEVER, Rhythm
from twins.stimuli import Edit, Updated


def device(name: str = "d1", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "devices.kubeedge.io/v1beta1", "kind": "Device", "metadata": {"name": name}, "spec": spec}


def model(name: str = "m1", minimum: str = "", maximum: str = "") -> dict[str, Any]:
    speed = {"name": "speed", "type": "INT", "accessMode": "ReadWrite", "minimum": minimum, "maximum": maximum}
    return {
        "apiVersion": "devices.kubeedge.io/v1beta1",
        "kind": "DeviceModel",
        "metadata": {"name": name},
        "spec": {"properties": [speed]},
    }


USES = {"deviceModelRef": {"name": "m1"}}


@in_virtual_time
async def test_a_manifest_is_kept_once_its_commit_is_on_disk() -> None:
    stage, heard = Stage(Disk(held=True)), []
    stage.registry.watch("Device", lambda name, manifest: heard.append((name, manifest is not None)))
    async with stage.running():
        applying = asyncio.ensure_future(stage.registry.apply(device(), "test"))  # noqa: TID251 - awaited below
        await settle()
        assert (list(stage.registry.of("Device")), heard) == ([], [])
        await stage.disk.commit()
        assert await applying == "device/default/d1 created"
        assert heard == [("default/d1", True)]
        assert stage.disk.found().manifests == {("Device", "default/d1"): body(device())}
        assert stage.twins.get("default/d1") is not None


@in_virtual_time
async def test_what_nobody_waits_for_any_more_holds_from_its_commit_on() -> None:
    stage, heard = Stage(Disk(held=True)), []
    stage.registry.watch("Device", lambda name, manifest: heard.append(manifest is not None))
    async with stage.running():
        with pytest.raises(TimeoutError):
            await stage.registry.apply(device(), "test")
        assert list(stage.registry.of("Device")) == []
        await stage.disk.commit()
        assert stage.registry.body("Device", "default/d1") == device()
        with pytest.raises(TimeoutError):
            await stage.registry.delete("Device", "default/d1")
        assert heard == [True]
        await stage.disk.commit()
        assert heard == [True, False]


@in_virtual_time
async def test_what_is_there_is_unchanged_and_what_differs_is_configured() -> None:
    stage = Stage()
    async with stage.running():
        await stage.registry.apply(device(), "test")
        batches = len(stage.disk.batches)
        assert await stage.registry.apply(device(), "test") == "device/default/d1 unchanged"
        assert len(stage.disk.batches) == batches
        assert await stage.registry.apply(device(nodeName="edge-1"), "test") == "device/default/d1 configured"


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ("nonsense", "no manifest"),
        ({"metadata": {"name": "x"}}, "no manifest"),
        ({"kind": "Devize", "metadata": {"name": "x"}}, "no kind Devize.*Device"),
        ({"kind": "Device"}, "metadata"),
        (device(deviceModelReff={"name": "m1"}), "deviceModelRef"),
        (device(properties=[{"name": "a"}, {"name": "a"}]), "is the name of spec.properties.0. too"),
        (device() | {"metadata": {"name": "d1", "annotations": {INTERVAL: "10s"}}}, "annotations: .*'10s' is neither"),
        (rule(initial="Nowhere"), "Nowhere"),
        (rule(states={"A": {"onInput": {"events": [{"when": "t >"}]}}}), "when"),
    ],
)
def test_a_bad_manifest_is_refused_with_its_reason_and_leaves_nothing(manifest: object, reason: str) -> None:
    @in_virtual_time
    async def play() -> None:
        stage = Stage()
        async with stage.running():
            with pytest.raises(Rejected, match=reason):
                await stage.registry.apply(manifest, "file.yaml#1")
        found = stage.disk.found()
        assert (found.manifests, found.twins, found.rules) == ({}, {}, {})
        assert [list(stage.registry.of(kind)) for kind in ("Device", "DeviceModel", "Detector")] == [[], [], []]
        assert len(stage.twins) == 0

    play()


@in_virtual_time
async def test_a_rule_that_its_own_check_refuses_does_not_take_the_place_of_the_one_that_holds() -> None:
    stage, heard = Stage(), []
    stage.registry.watch("Detector", lambda name, _: heard.append(name))
    async with stage.running():
        await stage.registry.apply(rule(), "test")
        with pytest.raises(Rejected, match=r"file.yaml#2: .*Nowhere"):
            await stage.registry.apply(rule(initial="Nowhere"), "file.yaml#2")
        assert stage.disk.found().manifests == {("Detector", "default/rule"): body(rule())}
        assert stage.registry.bodies("Detector") == {"default/rule": rule()}
        assert heard == ["default/rule"]


@in_virtual_time
async def test_a_model_that_changes_reaches_the_devices_that_use_it() -> None:
    stage = Stage()
    async with stage.running():
        await stage.registry.apply(model(maximum="100"), "test")
        await stage.registry.apply(device(**USES), "test")
        await stage.registry.apply(device("other"), "test")
        twin = stage.twins.get("default/d1")
        assert twin is not None
        assert twin.declared["speed"].maximum == 100.0
        await stage.registry.apply(model(maximum="50"), "test")
        assert twin.declared["speed"].maximum == 50.0
        assert stage.batch.twins.keys() == {"default/d1"}
        assert (await stage.report(speed="60")).refused is not None


@in_virtual_time
async def test_a_device_and_its_model_may_be_applied_at_the_same_time() -> None:
    stage = Stage(Disk(held=True))
    async with stage.running():
        both = asyncio.gather(
            stage.registry.apply(device(**USES), "device"), stage.registry.apply(model(maximum="100"), "model")
        )
        for _ in range(3):
            await settle()
            await stage.disk.commit()
        await both
        twin = stage.twins.get("default/d1")
        assert twin is not None
        assert twin.declared["speed"].maximum == 100.0


@in_virtual_time
async def test_a_deleted_device_is_gone_with_its_twin() -> None:
    stage, heard = Stage(), []
    stage.registry.watch("Device", lambda name, manifest: heard.append((name, manifest is not None)))
    async with stage.running():
        await stage.registry.apply(device(), "test")
        assert await stage.registry.delete("Device", "default/d1") == "device/default/d1 deleted"
        assert heard == [("default/d1", True), ("default/d1", False)]
        with pytest.raises(Rejected, match="there is no Device default/d1") as refused:
            await stage.registry.delete("Device", "default/d1")
        assert refused.value.code == 404
    found = stage.disk.found()
    assert (found.manifests, found.twins) == ({}, {})


@in_virtual_time
async def test_who_deletes_at_the_same_time_as_another_is_told_that_it_is_gone() -> None:
    stage = Stage(Disk(held=True))
    async with stage.running():
        applying = asyncio.ensure_future(stage.registry.apply(device(), "test"))  # noqa: TID251 - awaited below
        await settle()
        await stage.disk.commit()
        await applying
        both = asyncio.gather(
            *(stage.registry.delete("Device", "default/d1") for _ in range(2)), return_exceptions=True
        )
        for _ in range(3):
            await settle()
            await stage.disk.commit()
        first, second = await both
        assert first == "device/default/d1 deleted"
        assert isinstance(second, Rejected)


@in_virtual_time
async def test_what_was_kept_is_there_again_and_what_cannot_be_read_is_told() -> None:
    stage, heard = Stage(), []
    kept = {
        ("Device", "default/d1"): body(device()),
        ("Device", "default/d2"): b"{",
        ("Gadget", "default/g"): b"{}",
        ("Detector", "default/rule"): b'{"kind": "Detector"}',
    }
    faults = stage.registry.restore(kept)
    assert [name for name, _ in stage.registry.of("Device")] == ["default/d1"]
    assert len(faults) == 3
    assert all("can't be read" in fault for fault in faults)
    assert (stage.registry.unread("Detector"), stage.registry.unread("Upload")) == ({"default/rule"}, set())
    stage.registry.watch("Device", lambda name, _: heard.append(name))
    assert heard == ["default/d1"]


@in_virtual_time
async def test_what_the_cloud_brought_is_learned_and_unlearned(caplog: pytest.LogCaptureFixture) -> None:
    stage, heard = Stage(), []
    stage.registry.watch("Device", lambda name, manifest: heard.append((name, manifest is not None)))
    stage.registry.learned("Device", "default/d1", body(device()))
    stage.registry.learned("Device", "default/d1", None)
    stage.registry.learned("Device", "default/never", None)
    assert heard == [("default/d1", True), ("default/d1", False)]
    with caplog.at_level(logging.WARNING):
        stage.registry.learned("Device", "default/d2", b'{"kind": "Device"}')
        stage.registry.learned("Device", "default/d3", b"{")
    assert caplog.text.count("not understood") == 2
    assert list(stage.registry.of("Device")) == []


@in_virtual_time
async def test_what_the_cloud_manages_is_neither_changed_nor_deleted_here() -> None:
    stage = Stage()
    theirs = device() | {"metadata": {"name": "d1", "uid": "u-1"}}
    async with stage.running():
        stage.registry.learned("Device", "default/d1", body(theirs))
        with pytest.raises(Rejected, match="managed by the cloud") as refused:
            await stage.registry.apply(device(nodeName="here"), "test")
        assert refused.value.code == 409
        with pytest.raises(Rejected, match=r"managed by the cloud.*--force"):
            await stage.registry.delete("Device", "default/d1")
        await stage.registry.delete("Device", "default/d1", force=True)
        assert list(stage.registry.of("Device")) == []


@pytest.mark.parametrize("name", ["../../x", "a\nb", "Upper", "", "x" * 254, "-a", "\u0440ump-1"])
def test_a_name_that_kubernetes_would_not_take_is_refused(name: str) -> None:
    with pytest.raises(Rejected, match=r"metadata.name: .* is no name"):
        Stage().registry.check([("test", device(name))])


# -- devices and their models --------------------------------------------------------------------------------------


def wanting(speed: str, name: str = "d1") -> dict[str, Any]:
    return device(name, properties=[{"name": "speed", "desired": {"value": speed}}], **USES)


def desired(stage: Stage) -> str | None:
    twin = stage.twins.get("default/d1")
    asked = twin.properties["speed"].desired if twin is not None and "speed" in twin.properties else None
    return asked.value if asked is not None else None


@in_virtual_time
async def test_a_device_before_its_model_is_taken_and_asked_once_the_model_is_there() -> None:
    stage = Stage()
    async with stage.running():
        said = await stage.registry.apply(wanting("60"), "test")
        assert said.startswith("device/default/d1 created; model default/m1 is missing: ")
        (condition,) = stage.registry.conditions("default/d1")
        assert (condition.reason, desired(stage)) == ("ModelMissing", None)
        assert await stage.registry.apply(model(maximum="100"), "test") == "devicemodel/default/m1 created"
        assert (stage.registry.conditions("default/d1"), desired(stage)) == ((), "60")


@in_virtual_time
async def test_a_value_that_the_model_does_not_allow_once_it_comes_is_told_and_not_asked() -> None:
    stage = Stage()
    async with stage.running():
        await stage.registry.apply(wanting("60"), "test")
        said = await stage.registry.apply(model(maximum="50"), "test")
        fault = 'spec.properties[0].desired.value: "60" is above the maximum 50 of model m1'
        assert said == f"devicemodel/default/m1 created; device default/d1: {fault}; it is not asked"
        (condition,) = stage.registry.conditions("default/d1")
        assert (condition.reason, condition.message) == ("Invalid", f"{fault}; it is not asked")
        assert desired(stage) is None
        with pytest.raises(Rejected, match="above the maximum 50 of model m1"):
            await stage.registry.apply(wanting("70"), "test")
        await stage.registry.apply(wanting("40"), "test")
        assert (stage.registry.conditions("default/d1"), desired(stage)) == ((), "40")


@in_virtual_time
async def test_a_model_that_narrows_takes_back_what_the_manifest_asked_and_leaves_what_a_person_asked() -> None:
    stage = Stage()
    async with stage.running():
        await stage.registry.apply(model(maximum="100"), "test")
        await stage.registry.apply(wanting("60"), "test")
        assert desired(stage) == "60"
        await stage.registry.apply(model(maximum="50"), "test")
        assert desired(stage) == "", "taken back"
        await stage.registry.apply(model(maximum="100"), "test")
        assert desired(stage) == "60", "asked again"
        now = stage.clock.now()
        person = Updated("default/d1", "c", now, {"speed": Edit(desired="10")}, now, origin="edge")
        await stage.core.ask(person)
        await stage.registry.apply(model(maximum="50"), "test")
        assert desired(stage) == "10"


@in_virtual_time
async def test_a_device_is_checked_by_the_model_that_comes_with_it() -> None:
    stage = Stage()
    async with stage.running():
        await stage.registry.apply(model(maximum="100"), "test")
        narrow = model(maximum="50")
        with pytest.raises(Rejected, match=r"f#2: spec.properties\[0\].desired.value: .* above the maximum 50"):
            stage.registry.check([("f#1", narrow), ("f#2", wanting("60"))])
        stage.registry.check([("f#1", narrow), ("f#2", wanting("40"))])


@in_virtual_time
async def test_a_model_that_goes_leaves_its_devices_pending() -> None:
    stage = Stage()
    async with stage.running():
        await stage.registry.apply(model(), "test")
        await stage.registry.apply(wanting("60"), "test")
        assert stage.registry.conditions("default/d1") == ()
        await stage.registry.delete("DeviceModel", "default/m1")
        assert [c.reason for c in stage.registry.conditions("default/d1")] == ["ModelMissing"]


@in_virtual_time
async def test_what_a_cluster_added_is_not_kept_so_that_the_object_stays_ours() -> None:
    stage = Stage()
    printed = device(**USES) | {"status": {"state": "online"}}
    printed["metadata"] = {"name": "d1", "uid": "u-1", "resourceVersion": "7", "managedFields": [{}], "labels": {}}
    async with stage.running():
        await stage.registry.apply(model(), "test")
        await stage.registry.apply(printed, "test")
        assert stage.registry.bodies("Device")["default/d1"]["metadata"] == {"name": "d1", "labels": {}}
        again = dict(reversed(printed.items())) | {"status": {"state": "offline"}}
        assert await stage.registry.apply(again, "test") == "device/default/d1 unchanged"
        await stage.registry.delete("Device", "default/d1")


@in_virtual_time
async def test_a_device_status_is_read_and_left_alone() -> None:
    stage = Stage()
    status = {"kind": "DeviceStatus", "metadata": {"name": "d1"}, "spec": {}, "status": {"twins": []}}
    async with stage.running():
        assert (await stage.registry.apply(status, "test")).startswith("devicestatus/default/d1 ignored: ")
    assert stage.disk.found().manifests == {}


@in_virtual_time
async def test_a_device_declares_how_often_it_is_to_be_heard() -> None:
    stage = Stage()
    properties = [{"name": "a", "reportCycle": 10_000, "collectCycle": 500}, {"name": "b", "reportCycle": 2_000}]
    async with stage.running():
        await stage.registry.apply(device(properties=properties, stateReport={"reportCycle": 60_000}), "test")
        twin = stage.twins.get("default/d1")
        assert twin is not None
        assert twin.life.rhythm == Rhythm(0, 500_000)
        named = {"name": "d1", "annotations": {INTERVAL: "never", "other": "x"}}
        await stage.registry.apply(device() | {"metadata": named}, "test")
        assert twin.life.rhythm == Rhythm(NEVER, 0)
        await stage.registry.apply(device(), "test")
        assert twin.life.rhythm == Rhythm()


@in_virtual_time
async def test_silence_of_a_camera_or_a_phone_means_nothing_their_doors_know_better() -> None:
    stage = Stage()
    camera = {"apiVersion": "gemelo.dev/v1alpha1", "kind": "Camera", "metadata": {"name": "gate"}}
    async with stage.running():
        await stage.registry.apply(camera | {"spec": {"source": "rtsp://127.0.0.1/1"}}, "test")
        await stage.core.ask(phone.joined("default/phone-1", "phone:1:1", stage.clock.now(), ""))
        assert [twin.life.rhythm for twin in stage.twins] == [ATTENDED, ATTENDED]


@in_virtual_time
async def test_a_document_that_is_refused_names_those_that_were_applied_before_it() -> None:
    stage = Stage()
    operations = Operations(stage.core, stage.registry, stage.clock, stage.next_cause)
    async with stage.running():
        await operations.apply(body(rule("b", states={"B": {}}, initial="B")))
        await stage.report(t="1")
        both = body({"kind": "List", "items": [rule("a"), rule("b")]})
        with pytest.raises(Rejected, match=r"'B' is gone.*; before that: detector/default/a created") as refused:
            await operations.apply(both)
        assert refused.value.code == 409
