"""KubeEdge's `DeviceStatus`: what a device reported, as a cluster keeps it."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import field

from twins.manifests.metadata import API, Metadata, Spec


class Side(Spec, frozen=True):
    """One side of a property."""

    value: str
    """The value as text."""
    metadata: dict[str, str] = field(default_factory=dict)
    """`timestamp` in milliseconds since 1970 UTC, and `type`."""


class TwinStatus(Spec, frozen=True):
    """What is known of one property."""

    property_name: str
    """Its name."""
    reported: Side | None = None
    """What the device says."""
    observed_desired: Side | None = None
    """What the device was asked, as the edge knows it."""


class ReportedStatus(Spec, frozen=True):
    """What a device said."""

    twins: tuple[TwinStatus, ...] = ()
    """Its properties."""
    state: str = ""
    """`online`, `offline` and the like."""
    last_online_time: str | None = None
    """When it was online last."""
    extensions: dict[str, Any] | None = None
    """Free; KubeEdge writes nothing there."""


class DeviceStatus(Spec, frozen=True):
    """What a device reported, as KubeEdge 1.20 and later keep it: made by devices, so applying it does nothing."""

    metadata: Metadata
    """The device's name."""
    spec: dict[str, Any] | None = None
    """Empty."""
    status: ReportedStatus | None = None
    """What the device said."""
    api_version: Literal["devices.kubeedge.io/v1beta1"] = API
    """KubeEdge's group and version."""
    kind: Literal["DeviceStatus"] = "DeviceStatus"
    """The kind of object."""
