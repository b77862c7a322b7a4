"""The manifests of `deploy/`: what Kubernetes takes, and what they must never ask for."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.cli import parser
from gateway.config import load
from tests.deploy.kustomization import DEPLOY, KUBECTL, OVERLAYS, Object, built, by_kubectl, resolved, workload

VERSIONS = ("1.28", "1.37")
"""The oldest and the newest Kubernetes whose schemas are checked."""
GATEWAYS = ("overlays/kubernetes", "overlays/k3s", "overlays/microk8s", "mine")
ROOT = DEPLOY.parent


def of(objects: list[Object], kind: str) -> list[Object]:
    return [each for each in objects if each["kind"] == kind]


def key(each: Object) -> tuple[str, str]:
    return each["kind"], each["metadata"]["name"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubectl_and_our_own_rules_make_the_same_objects(overlay: str) -> None:
    if KUBECTL is None:
        pytest.skip("kubectl is not installed")
    assert sorted(by_kubectl(DEPLOY / overlay), key=key) == sorted(resolved(DEPLOY / overlay), key=key)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_fits_kubernetes_own_schema(overlay: str, version: str) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    for each in built(DEPLOY / overlay):
        validate.validate(each, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_node_fits_kubernetes_own_schema(version: str) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    validate.validate(yaml.safe_load((DEPLOY / "node.yaml").read_text("utf-8")), version, strict=True)


def test_a_wrong_key_does_not_fit_the_schema() -> None:
    validate = pytest.importorskip("kubernetes_validate")
    (daemons,) = of(built(DEPLOY / "overlays/kubernetes"), "DaemonSet")
    daemons["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(validate.ValidationError, match="livenesProbe"):
        validate.validate(daemons, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("component", ["vision", "device"])
def test_the_components_fit_every_overlay(component: str, tmp_path: Path) -> None:
    """Tried in a copy."""
    validate = pytest.importorskip("kubernetes_validate")
    tree = Path(shutil.copytree(DEPLOY, tmp_path / "deploy"))
    for overlay in GATEWAYS:
        file = tree / overlay / "kustomization.yaml"
        up = "/".join(".." for _ in Path(overlay).parts)
        file.write_text(file.read_text("utf-8") + f"\ncomponents: [{up}/components/{component}]\n", "utf-8")
        objects = built(tree / overlay)
        if KUBECTL:
            assert sorted(objects, key=key) == sorted(resolved(tree / overlay), key=key)
        for each in objects:
            validate.validate(each, VERSIONS[-1], strict=True)
        assert workload(objects) != workload(built(DEPLOY / overlay))
        assert list(offences(workload(objects), claims=overlay in {"overlays/k3s", "overlays/microk8s"})) == []


@pytest.mark.parametrize(
    ("file", "part"), [("base/daemonset", "containers"), ("components/vision/models", "initContainers")]
)
def test_the_arguments_are_a_command_that_can_be_typed(file: str, part: str) -> None:
    daemons = yaml.safe_load((DEPLOY / f"{file}.yaml").read_text("utf-8"))
    (container,) = daemons["spec"]["template"]["spec"][part]
    words = container["args"]
    assert parser(words[0]).parse_args(words).config == Path("/etc/gemelo/config/gateway.toml")


def offences(pod: Object, *, claims: bool) -> list[str]:
    """What Pod Security's level `restricted` forbids; with `claims`, node's folders and ports too."""
    found = [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    whole = pod["securityContext"]
    if not whole.get("runAsNonRoot") or not whole.get("runAsUser"):
        found.append("root")
    if whole.get("seccompProfile") != {"type": "RuntimeDefault"}:
        found.append("seccomp")
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        own = container["securityContext"]
        expected = {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        if own != expected:
            found.append(f"{container['name']}: {own}")
        if claims and any("hostPort" in port for port in container.get("ports", ())):
            found.append("hostPort")
        if (
            not {"cpu", "memory"} <= container["resources"]["requests"].keys()
            or "memory" not in container["resources"]["limits"]
        ):
            found.append(f"{container['name']}: resources")
    folders = [volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume]
    if folders != ([] if claims else ["/var/lib/gemelo"]):
        found.append(f"folders of the node: {folders}")
    return found


@pytest.mark.parametrize("overlay", GATEWAYS)
def test_the_pod_asks_for_no_more_than_it_needs(overlay: str) -> None:
    objects = built(DEPLOY / overlay)
    (namespace,) = of(objects, "Namespace")
    level = namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    assert offences(workload(objects), claims=level == "restricted") == []
    assert (level == "restricted") == (overlay in {"overlays/k3s", "overlays/microk8s"})


def test_the_gateway_has_no_right_in_the_cluster_and_no_token() -> None:
    objects = built(DEPLOY / "mine")
    pod = workload(objects)
    assert pod["automountServiceAccountToken"] is False
    assert [key(each) for each in objects if each["kind"].endswith("RoleBinding")] == []
    (account,) = of(objects, "ServiceAccount")
    assert account["metadata"]["name"] == pod["serviceAccountName"]


def test_no_role_lets_write_what_devices_said_or_read_more_than_one_secret() -> None:
    roles = [each for overlay in OVERLAYS for each in built(DEPLOY / overlay) if "Role" in each["kind"]]
    rules = [rule for role in roles for rule in role["rules"]]
    assert not any("*" in field for rule in rules for field in rule.values())
    writes = {"create", "update", "patch", "delete"}
    assert not any("devicestatuses" in rule["resources"] and writes & set(rule["verbs"]) for rule in rules)
    assert all(rule["resourceNames"] == ["tokensecret"] for rule in rules if "secrets" in rule["resources"])


@pytest.mark.parametrize("overlay", GATEWAYS)
def test_every_path_of_the_configuration_is_mounted_and_every_door_that_leaves_the_pod_is_declared(
    overlay: str, tmp_path: Path
) -> None:
    objects = built(DEPLOY / overlay)
    (text,) = (each["data"]["gateway.toml"] for each in of(objects, "ConfigMap") if key(each)[1] == "gemelo")
    (tmp_path / "gateway.toml").write_text(text, "utf-8")
    config = load(tmp_path / "gateway.toml")
    (container,) = workload(objects)["containers"]
    mounts = {mount["mountPath"]: mount.get("readOnly", False) for mount in container["volumeMounts"]}
    written = (config.store.path, config.inference.models, config.dmi.socket)
    read = [*config.manifests.paths, *filter(None, [config.cloud.token_file]), Path(container["args"][2])]
    for path, readonly in [*((p, False) for p in written), *((p, True) for p in read)]:
        assert any(path.is_relative_to(mount) and mounts[mount] is readonly for mount in mounts), path
    assert not any(a != b and Path(a).is_relative_to(b) for a in mounts for b in mounts), "no mount within another"
    assert config.web.listen == "127.0.0.1:8080", "the port of deploy/probe"
    assert config.broker.tls_listen == f"0.0.0.0:{container['ports'][0]['containerPort']}"
    assert not config.broker.anonymous
    (policy,) = of(objects, "NetworkPolicy")
    assert [port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]] == [8883]


def test_the_pods_time_to_end_is_longer_than_the_gateways() -> None:
    from gateway.commands.run import DEADLINE

    assert workload(built(DEPLOY / "overlays/kubernetes"))["terminationGracePeriodSeconds"] > DEADLINE


def test_selectors_and_names_meet() -> None:
    for overlay in ("overlays/k3s", "overlays/microk8s"):
        objects = built(DEPLOY / overlay)
        (daemons,), (service,), (policy,) = (of(objects, kind) for kind in ("DaemonSet", "Service", "NetworkPolicy"))
        labels = daemons["spec"]["template"]["metadata"]["labels"]
        for selector in (
            daemons["spec"]["selector"]["matchLabels"],
            service["spec"]["selector"],
            policy["spec"]["podSelector"]["matchLabels"],
        ):
            assert selector.items() <= labels.items()
        pod = workload(objects)
        (container,) = pod["containers"]
        assert service["spec"]["ports"][0]["targetPort"] in [port["name"] for port in container["ports"]]
        (claim,) = of(objects, "PersistentVolumeClaim")
        assert {"name": "data", "persistentVolumeClaim": {"claimName": key(claim)[1]}} in pod["volumes"]


def test_the_probe_asks_what_the_gateway_answers() -> None:
    (container,) = workload(built(DEPLOY / "overlays/kubernetes"))["containers"]
    asked: list[Any] = [container[f"{name}Probe"]["exec"]["command"] for name in ("startup", "liveness", "readiness")]
    assert asked == [["probe", "/livez"], ["probe", "/livez"], ["probe", "/readyz"]]
    assert "COPY deploy/probe /usr/local/bin/probe" in (DEPLOY / "Containerfile").read_text("utf-8")


def test_no_version_is_told_twice() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert workload(built(DEPLOY / "mine"))["containers"][0]["image"] == f"localhost/gemelo:{version}"


def test_the_secret_is_a_template() -> None:
    (secret,) = yaml.safe_load_all((DEPLOY / "mine/cloud-token.yaml").read_text("utf-8"))
    assert re.fullmatch(r"[a-z ]+", secret["stringData"]["token"])
