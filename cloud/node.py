"""This gateway as a Kubernetes Node, and its Lease: what is said of them, and what the cloud answers. Pure.

There is no kubelet here, so the node has no room for pods and a taint that keeps them away; all else is as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from cloud.frames import UNREADABLE
from twins.errors import Rejected

LEASES = "kube-node-lease"
GRACE = 40
"""Seconds after which Kubernetes takes a node for lost whose lease was not renewed."""
TAINT = {"key": "gemelo.dev/no-pods", "effect": "NoExecute"}
_OURS = "-gemelo-"
_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


class Facts(Struct, frozen=True):
    """What the node says of itself; `arch` in Go's words, `memory` in bytes."""

    name: str
    version: str = ""
    labels: Mapping[str, str] = {}
    arch: str = ""
    kernel: str = ""
    image: str = ""
    cores: int = 0
    memory: int = 0


class Answer(Struct, frozen=True):
    """`reason` is Kubernetes' own word for what went wrong (`AlreadyExists`, `NotFound`, …), empty when nothing did."""

    reason: str = ""
    message: str = ""
    uid: str = ""
    version: str = ""


class _Metadata(Struct):
    uid: str = ""
    resource_version: str = msgspec.field(default="", name="resourceVersion")


class _Info(Struct):
    version: str = msgspec.field(default="", name="kubeletVersion")


class _NodeStatus(Struct):
    info: _Info = msgspec.field(default_factory=_Info, name="nodeInfo")


class _Node(Struct):
    status: _NodeStatus = msgspec.field(default_factory=_NodeStatus)


class _Object(Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


class _Status(Struct):
    message: str = ""
    reason: str = ""


class _Error(Struct):
    status: _Status = msgspec.field(default_factory=_Status, name="ErrStatus")


class _Said(Struct):
    """KubeEdge's ObjectResp."""

    object: _Object | None = msgspec.field(default=None, name="Object")
    error: _Error | None = msgspec.field(default=None, name="Err")


def node(facts: Facts) -> dict[str, Any]:
    """The Node to make. Labels that Kubernetes would not take are left out."""
    own = {k: v for k, v in facts.labels.items() if _KEY.fullmatch(k) and _VALUE.fullmatch(v)}
    fixed = {
        "kubernetes.io/hostname": facts.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": facts.arch,
        "node-role.kubernetes.io/edge": "",
    }
    metadata = {"name": facts.name, "labels": own | fixed}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": [TAINT]}, "status": {}}


def status(facts: Facts, since: int, at: int) -> str:
    """The patch of its status, JSON: ready since then, seen now (µs UTC)."""
    room = {"cpu": str(facts.cores), "memory": f"{facts.memory >> 10}Ki", "pods": "0"}
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "GatewayConnected",
        "message": "the gateway is connected; it runs devices and no pods",
        "lastHeartbeatTime": _time(at, "seconds"),
        "lastTransitionTime": _time(since, "seconds"),
    }
    info = {
        "kubeletVersion": f"v0.0.0{_OURS}v{facts.version}",  # read as a version by some; there is no kubelet
        "kubeProxyVersion": "",
        "containerRuntimeVersion": "none",
        "kernelVersion": facts.kernel,
        "osImage": facts.image,
        "operatingSystem": "linux",
        "architecture": facts.arch,
        "machineID": "",
        "systemUUID": "",
        "bootID": "",
    }
    said = {
        "conditions": [ready],
        "nodeInfo": info,
        "capacity": room,
        "allocatable": room,
        "addresses": [{"type": "Hostname", "address": facts.name}],
    }
    return msgspec.json.encode({"status": said}).decode()


def lease(name: str, uid: str, version: str, at: int) -> dict[str, Any]:
    """The lease renewed at `at`; with the version of the one it replaces. It goes with its Node."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}
    metadata: dict[str, Any] = {"name": name, "namespace": LEASES}
    metadata |= {"ownerReferences": [owner]} if uid else {}
    metadata |= {"resourceVersion": version} if version else {}
    spec = {"holderIdentity": name, "leaseDurationSeconds": GRACE, "renewTime": _time(at, "microseconds")}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def read(content: bytes) -> Answer:
    """Read the answer to a request about a Node or a Lease; raise `Rejected` when it is none."""
    try:
        if content.startswith(b'"'):  # text: "OK" of a change, or what went wrong
            text = msgspec.json.decode(content)
            return Answer() if text == "OK" else Answer("Refused", text)
        said = msgspec.json.decode(content, type=_Said)
    except UNREADABLE as error:
        raise Rejected(f"the cloud's answer about this node cannot be read: {error}") from error
    if said.error is not None:
        status = said.error.status
        return Answer(status.reason or "Refused", status.message or "the cloud gives no reason")
    metadata = (said.object or _Object()).metadata
    return Answer("", "", metadata.uid, metadata.resource_version)


def foreign(content: bytes) -> bool:
    """True for a Node with a kubelet of its own, which looks after it: that of the machine we run on, or EdgeCore's."""
    try:
        version = msgspec.json.decode(content, type=_Node).status.info.version
    except UNREADABLE:
        return False
    return bool(version) and _OURS not in version


def _time(at: int, precision: str) -> str:
    return datetime.fromtimestamp(at / 1e6, UTC).isoformat(timespec=precision).replace("+00:00", "Z")
