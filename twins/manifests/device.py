"""KubeEdge's `Device`: which model it is of, what is asked of it, and how a mapper reaches it."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import field

from twins.manifests.metadata import API, Metadata, Spec
from twins.manifests.model import Visitor
from twins.manifests.sinks import PushMethod
from twins.values import device_id


class ModelRef(Spec, frozen=True):
    """The model of a device, by name in its namespace."""

    name: str
    """Name of a DeviceModel; while it is missing, what is desired waits."""


class Wanted(Spec, frozen=True):
    """A desired value."""

    value: str
    """The value as text, in quotes; it fits type, access and bounds of the model."""
    metadata: dict[str, str] = field(default_factory=dict)
    """Free; KubeEdge writes `type` and `timestamp`."""


class DeviceProperty(Spec, frozen=True):
    """A property of one device; cycles are milliseconds."""

    name: str
    """One of the model's properties."""
    desired: Wanted | None = None
    """What is asked of the device."""
    visitors: Visitor | None = None
    """How a mapper reaches it."""
    collect_cycle: int = 0
    """Milliseconds between two readings by a mapper."""
    report_cycle: int = 0
    """Milliseconds between two reports by a mapper."""
    report_to_cloud: bool = False
    """Whether a mapper reports it."""
    push_method: PushMethod | None = None
    """Where else a mapper pushes its values."""


class Method(Spec, frozen=True):
    """A method that writes properties."""

    name: str
    """Unique in the device."""
    description: str = ""
    """What it does, for people."""
    property_names: tuple[str, ...] = ()
    """Properties it writes; the model has them."""


class StateReport(Spec, frozen=True):
    """Whether and how often (milliseconds) the device's state goes to the cloud."""

    report_to_cloud: bool = False
    """Whether a mapper reports the state."""
    report_cycle: int = 0
    """Milliseconds between two reports."""


class DeviceSpec(Spec, frozen=True):
    """What a device is."""

    device_model_ref: ModelRef | None = None
    """Its model; without one, properties are what the device says."""
    node_name: str = ""
    """The edge node it is at."""
    properties: tuple[DeviceProperty, ...] = ()
    """What is asked of its properties, and how mappers reach them."""
    protocol: Visitor | None = None
    """How a mapper reaches the device."""
    methods: tuple[Method, ...] = ()
    """What can be called."""
    state_report: StateReport | None = None
    """How its state is reported."""


class Device(Spec, frozen=True):
    """One device: which model it is of, and what is asked of it."""

    metadata: Metadata
    """Its name."""
    spec: DeviceSpec = field(default_factory=DeviceSpec)
    """What the device is."""
    api_version: Literal["devices.kubeedge.io/v1beta1"] = API
    """KubeEdge's group and version."""
    kind: Literal["Device"] = "Device"
    """The kind of object."""
    status: dict[str, Any] | None = None
    """What it reported, when a gateway or a cluster printed it; dropped when applied."""

    @property
    def id(self) -> str:
        return device_id(self.metadata.namespace, self.metadata.name)

    @property
    def model(self) -> str:
        """The id of its model; empty without one."""
        ref = self.spec.device_model_ref
        return "" if ref is None else device_id(self.metadata.namespace, ref.name)

    @property
    def protocol(self) -> str:
        """The protocol its mapper speaks; empty without one."""
        return "" if self.spec.protocol is None else self.spec.protocol.protocol_name
