"""Real twins and manifests as Kubernetes' objects, and what is written to them there."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cloud.catalog import Catalog
from cloud.messages import Object
from gateway.causes import Causes
from gateway.edge import NOTE, Edge
from gateway.operations import Operations
from tests.clock import in_virtual_time
from tests.gateway.stage import Stage
from twins.errors import Rejected
from twins.stimuli import Applied, Edit, Updated

API = "devices.kubeedge.io/v1beta1"


def model(**metadata: Any) -> dict[str, Any]:
    properties = [
        {"name": "speed", "type": "INT", "accessMode": "ReadWrite", "maximum": "100"},
        {"name": "flow", "type": "DOUBLE", "accessMode": "ReadOnly"},
    ]
    named = {"name": "pump", "namespace": "default"} | metadata
    return {"apiVersion": API, "kind": "DeviceModel", "metadata": named, "spec": {"properties": properties}}


def device(desired: str | None = None, **metadata: Any) -> dict[str, Any]:
    speed = {"name": "speed"} | ({} if desired is None else {"desired": {"value": desired}})
    spec = {"deviceModelRef": {"name": "pump"}, "nodeName": "edge-1", "properties": [speed, {"name": "flow"}]}
    named = {"name": "pump-1", "namespace": "default"} | metadata
    return {"apiVersion": API, "kind": "Device", "metadata": named, "spec": spec}


class Shown(Stage):
    """A core with what the edge API sees of it, and a cloud that says what it manages."""

    def __init__(self) -> None:
        super().__init__()
        operations = Operations(self.core, self.registry, self.clock, self.next_cause)
        self.edge = Edge(self.core, self.registry, operations, self.clock, Causes(1))
        self.catalog = Catalog({})

    async def from_cloud(self, manifest: dict[str, Any], version: int = 1) -> None:
        metadata = manifest["metadata"] | {"uid": f"u-{manifest['kind']}", "resourceVersion": str(version)}
        content = msgspec.json.encode(manifest | {"metadata": metadata})
        kind = manifest["kind"].lower()
        said = Object("1", "devicecontroller", "update", "", "default", kind, metadata["name"], str(version), content)
        step = self.catalog.step(said, "cloud:1", self.clock.now())
        assert step is not None
        kept = [Applied("", "cloud", self.clock.now(), *key, body) for key, body in step.manifests.items()]
        await self.core.ask(*kept, *step.stimuli)
        self.catalog.keep(step)
        for each in kept:
            self.registry.learned(each.kind, each.name, each.body)

    async def want(self, speed: str) -> None:
        """Somebody at the edge asks."""
        now = self.clock.now()
        edits: dict[str, Edit | None] = {"speed": Edit(desired=speed)}
        await self.core.ask(Updated("default/pump-1", self.next_cause(), now, edits, now, origin="edge"))

    def read(self, kind: str = "Device") -> dict[str, Any]:
        found = self.edge.read(kind, "default/pump-1")
        assert found is not None
        return found

    def desired(self) -> str | None:
        """What the Device that is shown desires."""
        return self.read()["spec"]["properties"][0].get("desired", {}).get("value")

    def asked(self) -> str:
        """What the twin desires."""
        twin = self.twins.get("default/pump-1")
        assert twin is not None
        held = twin.properties["speed"].desired
        return "" if held is None else held.value

    def unsynced(self) -> bool:
        twin = self.twins.get("default/pump-1")
        assert twin is not None
        return twin.properties["speed"].unsynced


@in_virtual_time
async def test_a_device_is_shown_as_it_was_written_with_what_a_cluster_would_add() -> None:
    stage = Shown()
    async with stage.running():
        await stage.edge.write(model())
        await stage.edge.write(device("10", labels={"site": "north"}))
        shown = stage.read()
        metadata = shown.pop("metadata")
        assert shown == {k: v for k, v in device("10").items() if k != "metadata"}
        assert (metadata["name"], metadata["namespace"], metadata["labels"]) == ("pump-1", "default", {"site": "north"})
        assert metadata["creationTimestamp"].endswith("Z")
        assert metadata == stage.read()["metadata"]
        await stage.edge.delete("Device", "default/pump-1")
        assert stage.edge.read("Device", "default/pump-1") is None
        await stage.clock.sleep(1)
        await stage.edge.write(device())
        assert stage.read()["metadata"]["uid"] != metadata["uid"]


@in_virtual_time
async def test_the_status_of_a_device_is_its_twin_as_cloudcore_writes_it() -> None:
    stage = Shown()
    async with stage.running():
        await stage.edge.write(model())
        await stage.edge.write(device("10"))
        await stage.report("default/pump-1", flow="1.5")
        shown = stage.read("DeviceStatus")
        at = str(stage.clock.now() // 1000)
        assert shown["status"]["twins"] == [
            {
                "propertyName": "speed",
                "observedDesired": {"value": "10", "metadata": {"timestamp": at, "type": "int"}},
                "reported": {"value": ""},
            },
            {
                "propertyName": "flow",
                "reported": {"value": "1.5", "metadata": {"timestamp": at, "type": "double"}},
                "observedDesired": {"value": ""},
            },
        ]
        assert (shown["status"]["state"], shown["spec"]) == ("online", {})
        (owner,) = shown["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"]) == ("Device", stage.read()["metadata"]["uid"])
        assert shown["metadata"]["uid"] != owner["uid"]


@in_virtual_time
async def test_a_device_that_nobody_declared_is_shown_and_can_be_declared() -> None:
    stage = Shown()
    async with stage.running():
        await stage.report("default/pump-1", speed="1")
        assert stage.read()["spec"] == {}
        assert list(stage.edge.names("Device")) == list(stage.edge.names("DeviceStatus")) == ["default/pump-1"]
        await stage.edge.write(model())
        await stage.edge.write(stage.read() | {"spec": device("7")["spec"]})
        assert (stage.desired(), stage.asked()) == ("7", "7")


@in_virtual_time
async def test_what_is_desired_is_read_from_the_twin_and_written_to_it() -> None:
    stage = Shown()
    async with stage.running():
        await stage.edge.write(model())
        await stage.edge.write(device("10"))
        await stage.want("25")
        assert stage.desired() == "25"
        await stage.edge.write(device("10"))
        assert (stage.desired(), stage.asked()) == ("10", "10")
        await stage.want("30")
        await stage.edge.write(stage.read() | {"metadata": device(labels={"a": "b"})["metadata"]})
        assert (stage.desired(), stage.asked()) == ("30", "30")
        await stage.edge.write(device())
        assert (stage.desired(), stage.asked()) == (None, "")


@in_virtual_time
async def test_while_its_model_is_missing_a_device_says_so_and_desires_nothing_yet() -> None:
    stage = Shown()
    async with stage.running():
        await stage.edge.write(device("10"))
        assert stage.desired() == "10"
        (condition,) = stage.read()["status"]["conditions"]
        assert condition["reason"] == "ModelMissing"
        await stage.edge.write(stage.read())
        await stage.edge.write(model())
        assert (stage.desired(), stage.asked()) == ("10", "10")
        assert "status" not in stage.read()


@in_virtual_time
async def test_of_a_device_of_the_cloud_what_is_desired_can_be_changed_and_goes_up() -> None:
    stage = Shown()
    async with stage.running():
        await stage.from_cloud(model())
        await stage.from_cloud(device("10", labels={"site": "north"}))
        shown = stage.read()
        assert (shown["metadata"]["uid"], stage.desired(), stage.unsynced()) == ("u-Device", "10", False)
        shown["spec"]["properties"][0]["desired"]["value"] = "25"
        await stage.edge.write(shown)
        assert (stage.desired(), stage.asked(), stage.unsynced()) == ("25", "25", True)
        assert b'"10"' in stage.registry.manifests["Device", "default/pump-1"]  # the cloud's word is kept as it was


@in_virtual_time
async def test_a_change_at_the_edge_and_one_in_the_cloud_are_merged_by_the_table() -> None:
    stage = Shown()
    async with stage.running():
        await stage.from_cloud(model())
        await stage.from_cloud(device("10"), 1)
        await stage.edge.write(device("25"))
        await stage.from_cloud(device("10", labels={"site": "south"}), 2)
        assert (stage.desired(), stage.read()["metadata"]["labels"]) == ("25", {"site": "south"})
        await stage.from_cloud(device("40"), 3)
        assert stage.desired() == "40"
        (conflict,) = [e for told in stage.told for e in told.events if e.id.endswith(":conflict")]
        assert ("25" in conflict.message, "40" in conflict.message) == (True, True)


@pytest.mark.parametrize(
    "change",
    [
        device("10", labels={"site": "south"}),
        device("10") | {"spec": device("10")["spec"] | {"nodeName": "edge-2"}},
        device("10") | {"spec": device("10")["spec"] | {"properties": [{"name": "speed"}]}},
        device("10") | {"spec": {}},
        model() | {"spec": {"properties": []}},
    ],
)
@in_virtual_time
async def test_nothing_else_of_an_object_of_the_cloud_can_be_changed_here(change: dict[str, Any]) -> None:
    stage = Shown()
    async with stage.running():
        await stage.from_cloud(model())
        await stage.from_cloud(device("10"))
        before = stage.registry.manifests
        for dry in (True, False):
            with pytest.raises(Rejected, match=r"managed by the cloud: only spec.properties\[\].desired") as refused:
                await stage.edge.write(change, dry=dry)
            assert refused.value.code == 403
        with pytest.raises(Rejected, match="delete it there") as refused:
            await stage.edge.delete(change["kind"], f"default/{change['metadata']['name']}")
        assert (refused.value.code, stage.registry.manifests) == (403, before)


@in_virtual_time
async def test_what_the_cloud_manages_can_be_written_as_it_is() -> None:
    stage = Shown()
    async with stage.running():
        await stage.from_cloud(model())
        await stage.from_cloud(device("10"))
        await stage.edge.write(device("10", annotations={NOTE: "{}"}))
        await stage.edge.write(model())
        assert not stage.unsynced()


@in_virtual_time
async def test_of_a_device_of_the_cloud_that_waits_for_its_model_nothing_is_asked_in_vain() -> None:
    stage = Shown()
    async with stage.running():
        await stage.from_cloud(device("10"))
        assert stage.desired() == "10"
        with pytest.raises(Rejected, match="waits for its model") as refused:
            await stage.edge.write(device("25"))
        assert refused.value.code == 409


@pytest.mark.parametrize("cloud", [True, False])
@in_virtual_time
async def test_what_the_model_does_not_allow_is_refused_with_its_path_and_changes_nothing(cloud: bool) -> None:
    stage = Shown()
    async with stage.running():
        for each in (model(), device("10")):
            await (stage.from_cloud if cloud else stage.edge.write)(each)
        for dry in (True, False):
            with pytest.raises(Rejected, match=r'^spec.properties\[0\].desired.value: "101" is above'):
                await stage.edge.write(device("101"), dry=dry)
        assert stage.desired() == "10"


def odd(**parts: Any) -> dict[str, Any]:
    return device("10") | parts


@pytest.mark.parametrize("cloud", [True, False])
@pytest.mark.parametrize(
    "manifest",
    [
        odd(spec=None),
        odd(spec=[]),
        odd(spec={"properties": "speed"}),
        odd(spec={"properties": ["speed"]}),
        odd(spec={"properties": [{}]}),
        odd(spec={"properties": [{"name": "speed", "desired": {"value": 25}}]}),
        odd(spec={"properties": [{"name": "speed", "desired": "25"}]}),
        odd(spec={"properties": [{"name": ["speed"]}]}),
        device("10", labels=["a"]),
        device("10", labels={"a": 1}),
        device("10", annotations="a"),
        device("10", annotations={NOTE: 1}),
        odd(more=1),
    ],
)
@in_virtual_time
async def test_what_is_no_device_is_refused_and_not_stumbled_over(cloud: bool, manifest: dict[str, Any]) -> None:
    stage = Shown()
    async with stage.running():
        for each in (model(), device("10")):
            await (stage.from_cloud if cloud else stage.edge.write)(each)
        with pytest.raises(Rejected) as refused:
            await stage.edge.write(manifest)
        assert refused.value.code in (400, 403)
        assert stage.desired() == "10"


def of_tomorrow(desired: str, **parts: Any) -> dict[str, Any]:
    """As a newer cluster has it, with fields that we do not know."""
    own = device(desired)
    speed = own["spec"]["properties"][0] | {"smoothing": {"window": 5}} | parts
    return own | {"spec": own["spec"] | {"tier": "gold", "properties": [speed, {"name": "flow"}]}}


@in_virtual_time
async def test_a_device_with_fields_of_a_newer_cluster_can_be_changed_and_keeps_them() -> None:
    stage = Shown()
    async with stage.running():
        await stage.from_cloud(model())
        await stage.from_cloud(of_tomorrow("10"))
        assert stage.read()["spec"] == of_tomorrow("10")["spec"]
        for write, asked in (
            (of_tomorrow, "20"),
            (device, "30"),
        ):  # by a client that knows them, and by one that doesn't
            await stage.edge.write(write(asked))
            assert (stage.asked(), stage.desired()) == (asked, asked)
            assert stage.read()["spec"] == of_tomorrow(asked)["spec"]
        again = Shown()
        assert again.registry.restore(stage.registry.manifests) == []
        assert [manifest.id for _, manifest in again.registry.of("Device")] == ["default/pump-1"]


@pytest.mark.parametrize(
    "manifest",
    [of_tomorrow("20", smoothing={"window": 6}), of_tomorrow("20", other=1), device("20") | {"tier": "gold"}],
)
@in_virtual_time
async def test_what_the_cloud_alone_can_say_is_not_said_here_in_fields_that_are_not_known(
    manifest: dict[str, Any],
) -> None:
    stage = Shown()
    async with stage.running():
        await stage.from_cloud(model())
        await stage.from_cloud(of_tomorrow("10"))
        with pytest.raises(Rejected, match="no such key"):
            await stage.edge.write(manifest)
        assert stage.asked() == "10"


@in_virtual_time
async def test_a_device_of_which_the_cloud_sent_nothing_that_can_be_read_is_the_clouds_all_the_same() -> None:
    stage = Shown()
    async with stage.running():
        await stage.from_cloud(model())
        await stage.from_cloud(device("10") | {"spec": device("10")["spec"] | {"methods": 1}})
        assert stage.read()["spec"] == {}
        for doing in (stage.edge.write(device("20")), stage.edge.delete("Device", "default/pump-1")):
            with pytest.raises(Rejected, match="managed by the cloud") as refused:
                await doing
            assert refused.value.code == 403
        assert stage.asked() == "10"


@pytest.mark.parametrize("spec", [{"properties": None}, {"properties": None, "nodeName": "edge-1"}])
@in_virtual_time
async def test_a_device_of_the_cloud_without_properties_is_shown(spec: dict[str, Any]) -> None:
    stage = Shown()
    async with stage.running():
        await stage.from_cloud(model())
        await stage.from_cloud(device() | {"spec": spec | {"deviceModelRef": {"name": "pump"}}})
        assert stage.read()["metadata"]["name"] == "pump-1"


@in_virtual_time
async def test_a_dry_run_writes_nothing() -> None:
    stage = Shown()
    async with stage.running():
        await stage.edge.write(model(), dry=True)
        assert stage.registry.manifests == {}


@in_virtual_time
async def test_the_note_of_kubectl_apply_is_kept_and_shown_to_nobody_else() -> None:
    stage = Shown()
    async with stage.running():
        await stage.edge.write(model(annotations={NOTE: "{…}", "a": "b"}))
        shown = stage.edge.read("DeviceModel", "default/pump")
        assert shown is not None
        assert shown["metadata"]["annotations"] == {NOTE: "{…}", "a": "b"}
        assert NOTE not in str(stage.registry.body("DeviceModel", "default/pump"))
        assert stage.told[-1].applied
        batches = len(stage.disk.batches)
        await stage.edge.write(shown)
        assert len(stage.disk.batches) == batches
