"""The objects: a small Kubernetes of Devices, DeviceModels and DeviceStatuses, in memory and in a folder."""

from __future__ import annotations

import copy
import json
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from simulator.cloudcore.messages import Json

API = "devices.kubeedge.io/v1beta1"
KINDS = {"devices": "Device", "devicemodels": "DeviceModel", "devicestatuses": "DeviceStatus"}
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")

Key = tuple[str, str, str]
"""(kind, namespace, name)"""
Watcher = Callable[[Json | None, Json | None], None]
"""Called with the object before and after; `None` where it is not."""


class Invalid(Exception):
    """An object the API server, or CloudCore after it, would choke on."""


class Cluster:
    """Objects by kind, namespace and name. `resourceVersion` counts over all of them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._objects: dict[Key, Json] = {}
        self._watchers: list[Watcher] = []
        for path in sorted(directory.glob("*/*/*.json")):
            found = json.loads(path.read_text())
            self._objects[_key(found)] = found
        self._version = max((int(o["metadata"]["resourceVersion"]) for o in self._objects.values()), default=100)

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` after every change of a Device or DeviceModel."""
        self._watchers.append(watcher)

    def get(self, kind: str, namespace: str, name: str) -> Json | None:
        return self._objects.get((kind, namespace, name))

    def all(self, kind: str) -> list[Json]:
        return [o for (k, _, _), o in sorted(self._objects.items()) if k == kind]

    def apply(self, body: Json) -> Json:
        """Create the object or replace it, as `kubectl apply` does; raise `Invalid`."""
        _check(body)
        key = _key(body)
        old = self._objects.get(key)
        meta = {k: v for k, v in body["metadata"].items() if k in ("name", "namespace", "labels", "annotations")}
        spec = copy.deepcopy(body.get("spec", {}))
        if old is None:
            meta |= {"uid": str(uuid.uuid4()), "generation": 1, "creationTimestamp": _now()}
        else:
            was = old["metadata"]
            meta |= {"uid": was["uid"], "creationTimestamp": was["creationTimestamp"]}
            meta["generation"] = was["generation"] + (spec != old["spec"])
            if spec == old["spec"] and meta.get("labels") == was.get("labels"):
                return old
        new: Json = {"kind": key[0], "apiVersion": API, "metadata": meta, "spec": spec}
        if key[0] == "Device":
            new["status"] = {}
        self._keep(key, new)
        self._tell(old, new)
        return new

    def desire(self, namespace: str, name: str, values: dict[str, str]) -> Json | None:
        """Patch `spec.properties[].desired.value` of a Device; `None` when there is none."""
        old = self.get("Device", namespace, name)
        if old is None:
            return None
        new = copy.deepcopy(old)
        properties = {p["name"]: p for p in new["spec"].get("properties", [])}
        for key, value in values.items():
            if key not in properties:
                reason = f"device {namespace}/{name} has no property {key!r}; it has {', '.join(properties) or 'none'}"
                raise Invalid(reason)
            properties[key]["desired"] = properties[key].get("desired", {}) | {"value": str(value)}
        return self.apply(new)

    def delete(self, kind: str, namespace: str, name: str) -> Json | None:
        """Remove the object, and with a Device its status."""
        old = self._objects.pop((kind, namespace, name), None)
        if old is None:
            return None
        self._path((kind, namespace, name)).unlink(missing_ok=True)
        old["metadata"]["resourceVersion"] = self._next()
        if kind == "Device":
            self.delete("DeviceStatus", namespace, name)
        self._tell(old, None)
        return old

    def status(self, device: Json) -> Json:
        """The device's DeviceStatus object, made on first use."""
        meta = device["metadata"]
        found = self.get("DeviceStatus", meta["namespace"], meta["name"])
        if found is None:
            owner = {"apiVersion": API, "blockOwnerDeletion": True, "controller": True, "kind": "Device"}
            found = {
                "kind": "DeviceStatus",
                "apiVersion": API,
                "metadata": {
                    "name": meta["name"],
                    "namespace": meta["namespace"],
                    "uid": str(uuid.uuid4()),
                    "generation": 1,
                    "creationTimestamp": _now(),
                    "ownerReferences": [owner | {"name": meta["name"], "uid": meta["uid"]}],
                },
                "spec": {},
                "status": {},
            }
            self._keep(_key(found), found)
        return found

    def keep_status(self, status: Json) -> None:
        """A DeviceStatus changed in place."""
        self._keep(_key(status), status)

    def _keep(self, key: Key, value: Json) -> None:
        value["metadata"]["resourceVersion"] = self._next()
        self._objects[key] = value
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, indent=1))

    def _path(self, key: Key) -> Path:
        return self._directory / key[0] / key[1] / f"{key[2]}.json"

    def _tell(self, old: Json | None, new: Json | None) -> None:
        for watcher in self._watchers:
            watcher(old, new)

    def _next(self) -> str:
        self._version += 1
        return str(self._version)


def _check(body: Json) -> None:
    kind, meta = body.get("kind"), body.get("metadata", {})
    if kind not in KINDS.values() or body.get("apiVersion", API) != API:
        reason = (
            f"kind {kind!r} of {body.get('apiVersion')!r} is not kept here; use {', '.join(KINDS.values())} of {API}"
        )
        raise Invalid(reason)
    for part in (meta.get("namespace", "default"), meta.get("name", "")):
        if not _LABEL.fullmatch(part):
            reason = f"metadata: {part!r} is not a Kubernetes name (lower-case letters, digits, '-', '.')"
            raise Invalid(reason)
    spec = body.get("spec", {})
    if kind == "Device" and spec.get("nodeName") and not spec.get("deviceModelRef", {}).get("name"):
        reason = "spec.deviceModelRef.name is missing; CloudCore itself crashes on a Device with a node and no model"
        raise Invalid(reason)


def _key(body: Json) -> Key:
    meta = body["metadata"]
    meta.setdefault("namespace", "default")
    return body["kind"], meta["namespace"], meta["name"]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
