"""The Nodes and their Leases: a small part of Kubernetes, and what CloudCore's edge controller answers about it."""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Callable
from pathlib import Path

from simulator.cloudcore.messages import Json, message

_WORDS = {404: "NotFound", 409: "AlreadyExists", 403: "Forbidden"}


class Nodes:
    """Kept in a folder. `changed` is called with a Node made or changed."""

    def __init__(self, directory: Path, names: tuple[str, ...], changed: Callable[[Json], None]) -> None:
        self._directory = directory
        self._changed = changed
        self._objects: dict[str, Json] = {
            path.stem: json.loads(path.read_text()) for path in sorted(directory.glob("*.json"))
        }
        self._version = max((int(o["metadata"]["resourceVersion"]) for o in self._objects.values()), default=0)
        for name in names:
            if self.get(name) is None:
                labels = {"kubernetes.io/hostname": name, "node-role.kubernetes.io/edge": ""}
                self._make("node", name, {"metadata": {"labels": labels}, "spec": {}, "status": {}})

    def all(self) -> list[Json]:
        return [value for key, value in self._objects.items() if key.startswith("node,")]

    def get(self, name: str, kind: str = "node") -> Json | None:
        return self._objects.get(f"{kind},{name}")

    def delete(self, name: str) -> Json | None:
        """As `kubectl delete node`; its lease goes with it."""
        self._drop("lease", name)
        return self._drop("node", name)

    def answer(self, said: Json, *, denied: bool) -> Json | None:
        """What CloudCore answers to a request of a node about itself, `None` when it knows no such request."""
        route = said["route"]
        found = self._perform(route["operation"], route["resource"].split("/"), said["content"], denied=denied)
        if found is None:
            return None
        value, error = found
        content: Json = {"Object": value, "Err": error and {"ErrStatus": error}}
        if route["operation"] == "query" and "/node/" in route["resource"]:
            content = value or {"ErrStatus": error}
        parent = said["header"]["msg_id"]
        return message("edgecontroller", "resource", "response", route["resource"], content, parent=parent)

    def _perform(
        self, operation: str, parts: list[str], content: object, *, denied: bool
    ) -> tuple[Json | None, Json | None] | None:
        kind, name = parts[1], parts[2]
        known = self.get(name, kind if kind == "lease" else "node")
        if denied:
            return {}, _error(403, f"{kind} {name!r} is forbidden")
        match operation, kind, content:
            case "insert", "node" | "lease", dict():
                return (
                    (self._make(kind, name, content), None)
                    if known is None
                    else ({}, _error(409, f"{name!r} is there"))
                )
            case "query", "node" | "lease", _:
                return (known, None) if known is not None else (None, _error(404, f"{name!r} not found"))
            case "update", "lease", dict() if known is not None:
                if content["metadata"].get("resourceVersion") != known["metadata"]["resourceVersion"]:
                    return {}, _error(409, "the object has been modified", "Conflict")
                return self._keep("lease", name, known | {"spec": content["spec"]}), None
            case "patch", "nodepatch", str() if known is not None:
                return self._keep("node", name, known | {"status": json.loads(content)["status"]}), None
            case ("update", "lease", _) | ("patch", "nodepatch", _):
                return {}, _error(404, f"{name!r} not found")
        return None

    def _make(self, kind: str, name: str, body: Json) -> Json:
        new = {"kind": kind.capitalize(), "apiVersion": body.get("apiVersion", "v1")} | copy.deepcopy(body)
        new["metadata"] |= {"name": name, "uid": str(uuid.uuid4())}
        return self._keep(kind, name, new)

    def _keep(self, kind: str, name: str, value: Json) -> Json:
        self._version += 1
        value = copy.deepcopy(value)
        value["metadata"]["resourceVersion"] = str(self._version)
        self._objects[f"{kind},{name}"] = value
        self._directory.mkdir(parents=True, exist_ok=True)
        (self._directory / f"{kind},{name}.json").write_text(json.dumps(value, indent=1))
        if kind == "node":
            self._changed(value)
        return value

    def _drop(self, kind: str, name: str) -> Json | None:
        (self._directory / f"{kind},{name}.json").unlink(missing_ok=True)
        return self._objects.pop(f"{kind},{name}", None)


def _error(code: int, text: str, reason: str = "") -> Json:
    """A Kubernetes Status."""
    return {"metadata": {}, "status": "Failure", "message": text, "reason": reason or _WORDS[code], "code": code}
