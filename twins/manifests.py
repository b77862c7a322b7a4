"""KubeEdge's `Device` and `DeviceModel` (`devices.kubeedge.io/v1beta1`), field for field, and their meaning for a twin.

An unknown key is refused, wherever it stands; what a Kubernetes API server adds is known, and dropped by `owned`.
What the fields may say together is checked by `twins.validation`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, Literal

from msgspec import Struct, field

from twins.errors import Rejected
from twins.liveness import Rhythm, rhythm
from twins.schema import decode
from twins.sinks import PushMethod
from twins.values import Declared, device_id

API: Final = "devices.kubeedge.io/v1beta1"
OLD_API: Final = "devices.kubeedge.io/v1alpha2"
_SERVERS = frozenset(
    {"uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"}
    | {"managedFields", "ownerReferences", "finalizers", "selfLink", "generateName", "clusterName"}
)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_CHANGES = {
    "Device": (
        "spec.protocol.{modbus,opcua,…} became spec.protocol.{protocolName, configData}, spec.propertyVisitors[] "
        "became spec.properties[].visitors, status.twins[].desired became spec.properties[].desired, "
        "spec.nodeSelector became spec.nodeName, and spec.data is gone"
    ),
    "DeviceModel": (
        "spec.properties[].type.{int,string,…}.{accessMode,minimum,maximum,unit} became spec.properties[].type (INT, "
        "STRING, …) with accessMode, minimum, maximum and unit beside it; a defaultValue became a Device's desired"
    ),
}


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


class Visitor(Spec, frozen=True):
    """How a mapper reaches a property or a device: a protocol's name and its own settings."""

    protocol_name: str = ""
    """The mapper that understands it, as `modbus`."""
    config_data: dict[str, Any] | None = None
    """The protocol's settings, as `slaveID`; free."""


class ModelProperty(Spec, frozen=True):
    """A property that all devices of a model have."""

    name: str
    """Unique in the model."""
    description: str = ""
    """What it means, for people."""
    type: Literal["INT", "FLOAT", "DOUBLE", "STRING", "BOOLEAN", "BYTES", "STREAM"] = "STRING"
    """How its values read; values that do not are refused."""
    access_mode: Literal["ReadWrite", "ReadOnly"] = "ReadWrite"
    """Of a ReadOnly property nothing can be desired."""
    minimum: str = ""
    """The least number it may be, in quotes; INT, FLOAT and DOUBLE only."""
    maximum: str = ""
    """The greatest number it may be, in quotes; INT, FLOAT and DOUBLE only."""
    unit: str = ""
    """Its unit, shown beside values."""
    visitors: Visitor | None = None
    """How a mapper reaches it, for devices that say nothing of their own."""


class ModelSpec(Spec, frozen=True):
    """What a model is."""

    properties: tuple[ModelProperty, ...] = ()
    """What all devices of the model have."""
    protocol: str = ""
    """The protocol that devices of the model speak, as `modbus`."""
    protocol_config_data: dict[str, Any] | None = None
    """Settings of the protocol, common to all of them; free."""


class DeviceModel(Spec, frozen=True):
    """A model of devices: the properties they have, with type, access, bounds and unit."""

    metadata: Metadata
    """Its name, by which devices refer to it."""
    spec: ModelSpec = ModelSpec()
    """What the model is."""
    api_version: Literal["devices.kubeedge.io/v1beta1"] = API
    """KubeEdge's group and version."""
    kind: Literal["DeviceModel"] = "DeviceModel"
    """The kind of object."""
    status: dict[str, Any] | None = None
    """Taken and dropped."""


class ModelRef(Spec, frozen=True):
    """The model of a device, by name in its namespace."""

    name: str
    """Name of a DeviceModel; while it is missing, what is desired waits."""


class Wanted(Spec, frozen=True):
    """A desired value."""

    value: str
    """The value as text, in quotes; it fits type, access and bounds of the model."""
    metadata: dict[str, str] = {}
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


class Side(Spec, frozen=True):
    """One side of a property."""

    value: str
    """The value as text."""
    metadata: dict[str, str] = {}
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


def read_device(data: object, where: str) -> Device:
    """A manifest as a Device. Raises `Rejected` with path, reason and nearest valid name."""
    return decode(_current(data, "Device", where), Device, where)


def read_model(data: object, where: str) -> DeviceModel:
    """A manifest as a DeviceModel. Raises `Rejected` with path, reason and nearest valid name."""
    return decode(_current(data, "DeviceModel", where), DeviceModel, where)


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


def declared(device: Device, model: DeviceModel | None, withheld: Collection[str] = frozenset()) -> dict[str, Declared]:
    """What a device and its model say of its properties; a property of one of them alone counts too.

    What is desired of those that are `withheld` is left out.
    """
    said: dict[str, Declared] = {}
    for p in model.spec.properties if model is not None else ():
        said[p.name] = Declared(
            kind=p.type.lower(),
            writable=p.access_mode == "ReadWrite",
            minimum=_number(p.minimum),
            maximum=_number(p.maximum),
            unit=p.unit,
        )
    for own in device.spec.properties:
        base = said.get(own.name, Declared())
        waits = own.name in withheld
        wanted = own.desired.value or None if own.desired is not None and not waits else None
        said[own.name] = Declared(base.kind, base.writable, wanted, base.minimum, base.maximum, base.unit, waits)
    return said


def rhythm_of(device: Device) -> Rhythm:
    """How often it is to be heard. Raises `Rejected` for an annotation that can't be read, with its path."""
    spec = device.spec
    cycles = [cycle for p in spec.properties for cycle in (p.report_cycle, p.collect_cycle)]
    cycles += [spec.state_report.report_cycle] if spec.state_report is not None else []
    return rhythm(device.metadata.annotations, cycles)


def _number(text: str) -> float | None:
    """A bound; what is no number bounds nothing."""
    try:
        return float(text)
    except ValueError:
        return None


def _current(data: object, kind: str, where: str) -> object:
    """Raise `Rejected` for KubeEdge's older form, with what changed since."""
    if isinstance(data, dict) and data.get("apiVersion") == OLD_API:
        raise Rejected(f"{where}: apiVersion: {OLD_API} is KubeEdge's older form; write it as {API}: {_CHANGES[kind]}")
    return data
