"""Kubernetes' object metadata: of KubeEdge's kinds, with what a cluster adds to it, and of kinds of our own."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

API: Final = "devices.kubeedge.io/v1beta1"
_SERVERS = frozenset(
    {"uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"}
    | {"managedFields", "ownerReferences", "finalizers", "selfLink", "generateName", "clusterName"}
)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Spec(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Root of the structs that are checked strictly."""


class Metadata(Spec, frozen=True):
    """Kubernetes' object metadata. What a server adds is taken and dropped."""

    name: str
    """Small letters, digits, hyphens and dots."""
    namespace: str = "default"
    """The device's id is `namespace/name`."""
    labels: dict[str, str] = {}
    """For choosing (`gemelo get -l key=value`); `description` is shown."""
    annotations: dict[str, str] = {}
    """Free texts."""
    uid: str = ""
    """Added by a cluster; an object that has one here is managed by the cloud."""
    resource_version: str = ""
    """Added by a cluster."""
    generation: int = 0
    """Added by a cluster."""
    creation_timestamp: str | None = None
    """Added by a cluster."""
    deletion_timestamp: str | None = None
    """Added by a cluster."""
    deletion_grace_period_seconds: int | None = None
    """Added by a cluster."""
    managed_fields: list[dict[str, Any]] = []
    """Added by a cluster."""
    owner_references: list[dict[str, Any]] = []
    """Added by a cluster."""
    finalizers: list[str] = []
    """Added by a cluster."""
    self_link: str = ""
    """Added by a cluster."""
    generate_name: str = ""
    """Added by a cluster."""
    cluster_name: str = ""
    """Added by a cluster."""


class OwnMetadata(Struct, frozen=True, forbid_unknown_fields=True):
    """Of a kind of our own. Whether names are names is checked for all kinds alike, where an object is taken."""

    name: str
    """Small letters, digits, hyphens and dots."""
    namespace: str = "default"
    """Its namespace."""
    labels: dict[str, str] = {}
    """For choosing."""
    annotations: dict[str, str] = {}
    """Free texts."""


def owned(data: dict[str, Any]) -> dict[str, Any]:
    """A manifest without what a cluster or a gateway added to it: bookkeeping of the metadata, and the status."""
    said = {key: value for key, value in data.items() if key != "status"}
    metadata = said.get("metadata")
    if isinstance(metadata, dict):
        said["metadata"] = kept = {key: value for key, value in metadata.items() if key not in _SERVERS}
        notes = kept.get("annotations")
        if isinstance(notes, dict) and _LAST_APPLIED in notes:
            kept["annotations"] = {key: value for key, value in notes.items() if key != _LAST_APPLIED}
            if not kept["annotations"]:
                del kept["annotations"]
    return said
