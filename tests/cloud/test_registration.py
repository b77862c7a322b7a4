from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from cloud.machine import facts
from cloud.node import TAINT, Facts, node, read
from cloud.registration import Registration
from simulator.cloudcore.cluster import Cluster
from simulator.cloudcore.nodes import Nodes
from tests.clock import VirtualClock, in_virtual_time
from tests.cloud.stage import NODE, Edge, device, running, world
from twins.errors import Rejected, Unavailable

FACTS = Facts(NODE, "1.2", {"site": "hall 3", "zone": "north"}, "arm64", "6.1", "Debian", 4, 8 << 30)


class Counter:
    """The stand-in's Nodes, asked without a wire."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.asked: list[str] = []
        self.denied = self.silent = False

    async def ask(self, operation: str, resource: str, content: object) -> bytes:
        self.asked.append(f"{operation} {resource.split('/')[1]}")
        if self.silent:
            await asyncio.sleep(10)
            raise Unavailable("the cloud did not answer")
        route = {"operation": operation, "resource": resource}
        said = {"header": {"msg_id": "a"}, "route": route, "content": content}
        answer = self.nodes.answer(said, denied=self.denied)
        assert answer is not None
        return msgspec.json.encode(answer["content"])

    def ready(self) -> dict[str, Any]:
        found = self.nodes.get(NODE)
        assert found is not None
        (condition,) = found["status"]["conditions"]
        return dict(condition)


@asynccontextmanager
async def registering(run: Callable[[], Awaitable[None]]):
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run())  # type: ignore[arg-type]
        yield
        task.cancel()


@pytest.fixture
def counter(tmp_path) -> Counter:
    return Counter(Nodes(tmp_path / "nodes", (), lambda _: None))


@in_virtual_time
async def test_the_node_is_ready_has_no_room_for_pods_and_its_lease_is_renewed_every_fifteen_seconds(counter):
    registration = Registration(FACTS, VirtualClock())
    async with registering(lambda: registration.run(counter.ask)):
        await asyncio.sleep(1)
        made = counter.nodes.get(NODE)
        assert registration.state.state == "registered"
        assert made["metadata"]["labels"]["node-role.kubernetes.io/edge"] == ""
        assert made["metadata"]["labels"]["zone"] == "north"
        assert "site" not in made["metadata"]["labels"], "Kubernetes takes no blanks there, and would refuse the Node"
        assert made["spec"]["taints"] == [TAINT]
        assert made["status"]["allocatable"]["pods"] == "0"
        assert made["status"]["nodeInfo"]["architecture"] == "arm64"
        assert counter.ready()["status"] == "True"
        first = counter.nodes.get(NODE, "lease")
        await asyncio.sleep(60)
        later = counter.nodes.get(NODE, "lease")
        assert later["spec"]["renewTime"] > first["spec"]["renewTime"]
        assert later["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
        assert counter.asked == ["insert node", "patch nodepatch", "insert lease", *["update lease"] * 4]


@in_virtual_time
async def test_the_node_and_the_lease_of_an_earlier_time_are_taken_over(counter):
    for _ in range(2):
        registration = Registration(FACTS, VirtualClock())
        async with registering(lambda r=registration: r.run(counter.ask)):
            await asyncio.sleep(1)
            assert registration.state.state == "registered"
    again = ["insert node", "query node", "patch nodepatch", "insert lease", "query lease", "update lease"]
    assert counter.asked[3:] == again


@in_virtual_time
@pytest.mark.parametrize("version", ["v1.30.7", "v1.30.7-kubeedge-v1.23.1"])
async def test_a_node_with_a_kubelet_of_its_own_is_left_alone(counter, version):
    """A gateway in a pod, or beside EdgeCore: to say that this machine takes no pods would be the end of them."""
    status = {"nodeInfo": {"kubeletVersion": version}, "allocatable": {"pods": "110"}}
    theirs = {"metadata": {}, "spec": {}, "status": status}
    await counter.ask("insert", f"default/node/{NODE}", theirs)
    before = counter.nodes.get(NODE)
    registration = Registration(FACTS, VirtualClock())
    async with registering(lambda: registration.run(counter.ask)):
        await asyncio.sleep(1000)
        assert registration.state.state == "foreign"
        assert counter.nodes.get(NODE) == before
        assert counter.nodes.get(NODE, "lease") is None


@in_virtual_time
async def test_a_node_made_by_hand_is_taken_over(counter):
    await counter.ask("insert", f"default/node/{NODE}", {"metadata": {}, "spec": {}, "status": {}})
    registration = Registration(FACTS, VirtualClock())
    async with registering(lambda: registration.run(counter.ask)):
        await asyncio.sleep(1)
        assert counter.ready()["status"] == "True"


@in_virtual_time
async def test_a_lease_that_somebody_else_changed_is_renewed_all_the_same(counter):
    registration = Registration(FACTS, VirtualClock())
    async with registering(lambda: registration.run(counter.ask)):
        await asyncio.sleep(1)
        held = counter.nodes.get(NODE, "lease")
        await counter.ask("update", f"kube-node-lease/lease/{NODE}", held)
        await asyncio.sleep(15)
        assert counter.asked[-3:] == ["update lease", "query lease", "update lease"]
        assert registration.state.state == "registered"


@in_virtual_time
async def test_a_node_deleted_by_hand_is_made_again_and_is_ready(counter):
    registration = Registration(FACTS, VirtualClock())
    async with registering(lambda: registration.run(counter.ask)):
        await asyncio.sleep(1)
        assert counter.nodes.delete(NODE)
        await asyncio.sleep(25)
        assert counter.ready()["status"] == "True"
        assert registration.state.state == "registered"


@in_virtual_time
async def test_a_refusal_and_a_silence_are_told_and_tried_again_ever_more_rarely(counter):
    registration = Registration(FACTS, VirtualClock())
    counter.denied = True
    async with registering(lambda: registration.run(counter.ask)):
        await asyncio.sleep(3600)
        assert registration.state.state == "refused"
        assert "Forbidden" in registration.state.reason
        assert len(counter.asked) < 60
        counter.denied, counter.silent = False, True
        await asyncio.sleep(3600)
        assert "did not answer" in registration.state.reason
        counter.silent = False
        await asyncio.sleep(301)
        assert registration.state.state == "registered"


def test_answers_of_the_cloud_are_read_whichever_form_they_have():
    assert read(b'"OK"').reason == ""
    assert read(b'"get node e info error"').reason == "Refused"
    assert read(b'{"Object":{},"Err":{}}').reason == "Refused"
    refused = b'{"Object":{},"Err":{"ErrStatus":{"reason":"AlreadyExists","message":"it is there"}}}'
    assert (read(refused).reason, read(refused).message) == ("AlreadyExists", "it is there")
    found = read(b'{"Object":{"metadata":{"uid":"u","resourceVersion":"7"}},"Err":null}')
    assert (found.reason, found.uid, found.version) == ("", "u", "7")
    with pytest.raises(Rejected):
        read(b"[]")


def test_the_machine_tells_what_it_is():
    told = facts(NODE, "1.2", {})
    assert told.cores > 0
    assert told.memory > 1 << 20
    assert told.kernel
    assert node(told)["metadata"]["labels"]["kubernetes.io/arch"] == told.arch


async def test_a_gateway_is_a_node_while_it_is_linked_and_becomes_one_again_when_it_was_deleted(options, tmp_path):
    options = msgspec.structs.replace(options, nodes=())
    edge_of = lambda place: Edge(place, tmp_path / "pki", place.config(), node=FACTS)  # noqa: E731
    async with world(options) as place, running(edge_of(place)) as edge:
        await place.until(lambda: edge.core.state.node.state == "registered")
        await place.until(lambda: place.cloud.controller.nodes.get(NODE, "lease"))
        place.cloud.controller.unregister(NODE)
        await place.until(lambda: place.cloud.controller.nodes.get(NODE, "lease"))
        found = place.cloud.controller.nodes.get(NODE)
        assert found["status"]["conditions"][0]["status"] == "True"


async def test_a_cloud_that_refuses_the_node_gets_and_gives_everything_else(options, tmp_path):
    options = msgspec.structs.replace(options, nodes=())
    async with world(options) as place:
        place.cloud.start("deny", 60)
        async with running(Edge(place, tmp_path / "pki", place.config(), node=FACTS)) as edge:
            await place.until(lambda: place.verdicts("asked"))
            place.cloud.cluster.apply(device("d1"))
            await place.until(lambda: edge.core.state.devices)
            edge.report("d1", mode="auto")
            await place.until(lambda: place.status("d1") == {"mode": "auto"})
            assert edge.core.state.node.state == "refused"
            assert "Forbidden" in edge.core.state.node.reason
            assert edge.core.state.counters.links == 1


@pytest.mark.parametrize("registers", [True, False])
async def test_what_is_deleted_while_cloudcore_is_down_goes_here_too_of_a_node_that_is_registered(
    options, tmp_path, registers
):
    """CloudCore forgets at its start what it told a node that is no object: then what it deleted stays here."""
    options = msgspec.structs.replace(options, nodes=())
    facts_of = FACTS if registers else None
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config(), node=facts_of)) as edge:
        for name in ("stays", "goes"):
            place.cloud.cluster.apply(device(name))
        await place.until(lambda: edge.core.state.devices == 2)
        await place.until(lambda: len(place.verdicts("acknowledged")) >= 3)
        if registers:
            await place.until(lambda: edge.core.state.node.state == "registered")
    Cluster(options.data / "objects").delete("Device", "default", "goes")
    async with world(options) as place:
        later = Edge(place, tmp_path / "pki", place.config(), edge.disk, node=facts_of)
        async with running(later):
            await place.until(lambda: place.verdicts("connected"))
            place.cloud.cluster.apply(device("comes"))
            await place.until(lambda: ("Device", "default/comes") in later.disk)
            if registers:
                await place.until(lambda: ("Device", "default/goes") not in later.disk)
            else:
                seen = len(place.verdicts("keepalive", "acknowledged"))
                place.cloud.controller.reconcile()
                place.cloud.cluster.apply(device("comes", mode="auto"))
                await place.until(lambda: len(place.verdicts("keepalive", "acknowledged")) > seen)
                assert ("Device", "default/goes") in later.disk
