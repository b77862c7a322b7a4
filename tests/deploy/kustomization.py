"""Kustomizations made into objects: by kubectl where it is, else by the few rules that ours use, resolved here.

What is here is checked against kubectl wherever that is (`test_manifests.py`).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
OVERLAYS = ("overlays/kubernetes", "overlays/k3s", "overlays/microk8s", "overlays/cloudcore", "crds", "mine")
KUBECTL = shutil.which("kubectl")

_CLUSTERS = {"Namespace", "ClusterRole", "CustomResourceDefinition"}
_KEYS = {"containers": "name", "initContainers": "name", "volumes": "name", "env": "name", "ports": "containerPort"}
_HASH = re.compile(r"^(gemelo(?:-manifests)?)-[a-z0-9]{10}$")


def built(folder: Path) -> list[Object]:
    """The objects of a kustomization; generated names without their hash."""
    return by_kubectl(folder) if KUBECTL else resolved(folder)


def by_kubectl(folder: Path) -> list[Object]:
    return [_without_hash(each) for each in yaml.load_all(_printed(folder), Loader=yaml.CSafeLoader)]


def resolved(folder: Path) -> list[Object]:
    """Resources, generators, components, patches, namespace, labels and images, in kustomize's order."""
    said = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))
    objects: list[Object] = []
    for name in said.get("resources", ()):
        path = folder / name
        objects += resolved(path) if path.is_dir() else yaml.safe_load_all(path.read_text("utf-8"))
    for generator in said.get("configMapGenerator", ()):
        _generate(folder, generator, objects)
    for name in said.get("components", ()):
        _patch(folder / name, yaml.safe_load((folder / name / "kustomization.yaml").read_text("utf-8")), objects)
    _patch(folder, said, objects)
    for each in objects:
        if "namespace" in said and each["kind"] not in _CLUSTERS:
            each["metadata"]["namespace"] = said["namespace"]
        for labels in said.get("labels", ()):
            each["metadata"].setdefault("labels", {}).update(labels["pairs"])
        for image in said.get("images", ()):
            for container in _containers(each):
                if container["image"] == image["name"]:
                    container["image"] = f"{image['newName']}:{image['newTag']}"
    return objects


def workload(objects: list[Object]) -> Object:
    """The pod that the DaemonSet makes."""
    (found,) = (each for each in objects if each["kind"] == "DaemonSet")
    return dict(found["spec"]["template"]["spec"])


@cache
def _printed(folder: Path) -> str:
    done = subprocess.run([str(KUBECTL), "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _containers(each: Object) -> list[Object]:
    pod = each["spec"]["template"]["spec"] if each["kind"] == "DaemonSet" else {}
    return [*pod.get("initContainers", ()), *pod.get("containers", ())]


def _generate(folder: Path, generator: Object, objects: list[Object]) -> None:
    data = {name: (folder / name).read_text("utf-8") for name in generator["files"]}
    for each in objects:
        if each["kind"] == "ConfigMap" and each["metadata"]["name"] == generator["name"]:
            assert generator["behavior"] == "replace"
            each["data"] = data
            return
    objects.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generator["name"]}, "data": data})


def _patch(folder: Path, said: Object, objects: list[Object]) -> None:
    for entry in said.get("patches", ()):
        patch = yaml.safe_load((folder / entry["path"]).read_text("utf-8"))
        (target,) = (
            each
            for each in objects
            if (each["kind"], each["metadata"]["name"]) == (patch["kind"], patch["metadata"]["name"])
        )
        _merge(target, patch)


def _merge(target: Object, patch: Object) -> None:
    """A strategic merge: tables within tables, lists by the key of their items, null removes."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        elif key in _KEYS and key in target:
            for item in value:
                same = next((each for each in target[key] if each.get(_KEYS[key]) == item[_KEYS[key]]), None)
                if same is None:
                    target[key].append(deepcopy(item))
                else:
                    _merge(same, item)
        else:
            target[key] = deepcopy(value)


def _without_hash(value: Any) -> Any:
    match value:
        case dict():
            return {key: _without_hash(each) for key, each in value.items()}
        case list():
            return [_without_hash(each) for each in value]
        case str() if found := _HASH.match(value):
            return found[1]
    return value
