"""A real API server takes the manifests, refuses bad devices, and lets people do what the roles say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.deploy.cluster import Cluster
from tests.deploy.kustomization import DEPLOY, built

ROOT = DEPLOY.parent
DEVICE: dict[str, Any] = {
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "kind": "Device",
    "metadata": {"name": "pump"},
    "spec": {"deviceModelRef": {"name": "m"}, "nodeName": "edge-1", "properties": [{"name": "speed"}]},
}
STATUS = {"apiVersion": DEVICE["apiVersion"], "kind": "DeviceStatus", "metadata": {"name": "pump"}}

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.ready()
        for name in ("default", "gemelo", "kubeedge"):
            cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        cluster.establish(built(DEPLOY / "crds"))
        yield cluster
    finally:
        cluster.close()


def device(**spec: Any) -> dict[str, Any]:
    return DEVICE | {"spec": DEVICE["spec"] | spec}


@pytest.mark.parametrize("overlay", ["overlays/kubernetes", "overlays/k3s", "overlays/microk8s", "mine"])
def test_a_real_api_server_takes_every_object(cluster: Cluster, overlay: str) -> None:
    for each in built(DEPLOY / overlay):
        if each["kind"] != "Namespace":
            assert cluster.create(each, try_only=True) == (201, ""), each


def test_a_node_for_a_gateway_outside_is_taken_and_nothing_is_put_there(cluster: Cluster) -> None:
    (node,) = yaml.safe_load_all((DEPLOY / "node.yaml").read_text("utf-8"))
    assert cluster.create(node) == (201, "")
    assert {taint["effect"] for taint in node["spec"]["taints"]} == {"NoSchedule", "NoExecute"}


def test_every_example_is_kept_whole(cluster: Cluster) -> None:
    for file in sorted((ROOT / "docs/examples").glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text("utf-8")):
            if document["apiVersion"] == DEVICE["apiVersion"]:
                namespace = document["metadata"].get("namespace", "default")
                cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
                assert cluster.create(document) == (201, "")
                path = f"/apis/{document['apiVersion']}/namespaces/{namespace}/{document['kind'].lower()}s"
                status, kept = cluster.ask("GET", f"{path}/{document['metadata']['name']}")
                assert (status, kept.get("spec")) == (200, document.get("spec"))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (device(properties=[{"name": "a"}, {"name": "a"}]), "Duplicate value"),
        (device(properties=[{"name": "a", "desired": {"value": 5}}]), "must be of type string"),
        (device(properties=[{"name": "a", "desired": {}}]), "desired.value: Required value"),
        (device(properties=[{"name": "a", "collectCycle": -1}]), "collectCycle"),
        (device(properties=[{}]), "properties.name: Required value"),
        (DEVICE | {"spec": {"nodeName": "edge-1"}}, "spec"),
        (
            {**DEVICE, "kind": "DeviceModel", "spec": {"properties": [{"name": "a", "type": "INTEGER"}]}},
            "Unsupported value",
        ),
        ({**DEVICE, "kind": "DeviceModel", "spec": {"properties": [{"name": "a", "accessMode": "RW"}]}}, "accessMode"),
    ],
)
def test_a_bad_object_is_refused(cluster: Cluster, bad: dict[str, Any], reason: str) -> None:
    assert cluster.create(DEVICE, try_only=True) == (201, "")
    status, told = cluster.create(bad, try_only=True)
    assert status == 422
    assert reason in told


def test_what_the_roles_say_is_what_people_can_do(cluster: Cluster) -> None:
    for role in (each for each in built(DEPLOY / "overlays/cloudcore") if "Role" in each["kind"]):
        assert cluster.create(role) == (201, "")
    for user, kind, role, namespace in (
        ("viewer", "ClusterRole", "gemelo-devices-view", "default"),
        ("editor", "ClusterRole", "gemelo-devices-edit", "default"),
        ("joiner", "Role", "gemelo-token-read", "kubeedge"),
    ):
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": user, "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
            "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}],
        }
        assert cluster.create(binding) == (201, "")
    for name in ("tokensecret", "casecret"):
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "kubeedge"}}
        assert cluster.create(secret) == (201, "")
    devices = "/apis/devices.kubeedge.io/v1beta1/namespaces/default/"
    secrets = "/api/v1/namespaces/kubeedge/secrets"

    assert [cluster.ask("GET", devices + each, user="viewer")[0] for each in ("devices", "devicestatuses")] == [
        200,
        200,
    ]
    assert cluster.create(DEVICE, user="viewer", try_only=True)[0] == 403
    assert cluster.create(DEVICE, user="editor", try_only=True)[0] == 201
    assert cluster.create(STATUS, user="editor", try_only=True)[0] == 403
    assert cluster.ask("GET", f"{secrets}/tokensecret", user="joiner")[0] == 200
    assert [cluster.ask("GET", secrets + each, user="joiner")[0] for each in ("", "/casecret")] == [403, 403]
    assert cluster.ask("GET", f"{secrets}/tokensecret", user="viewer")[0] == 403
