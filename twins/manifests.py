"""KubeEdge's `Device` and `DeviceModel` (`devices.kubeedge.io/v1beta1`), field for field, and their meaning for a twin.

What the API server adds to `metadata` is taken and ignored; an unknown key of a `spec` is refused.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from twins.errors import Rejected
from twins.liveness import Rhythm, rhythm
from twins.values import Declared, device_id

API = "devices.kubeedge.io/v1beta1"


class Spec(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Root of the structs that are checked strictly."""


class Metadata(Struct, frozen=True, rename="camel"):
    """Kubernetes' object metadata, as far as we read it."""

    name: str
    namespace: str = "default"
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    uid: str = ""
    resource_version: str = ""


class Visitor(Spec, frozen=True):
    """How a mapper reaches a property or a device: a protocol's name and its own settings."""

    protocol_name: str = ""
    config_data: dict[str, Any] | None = None


class ModelProperty(Spec, frozen=True):
    """A property that all devices of a model have."""

    name: str
    description: str = ""
    type: Literal["INT", "FLOAT", "DOUBLE", "STRING", "BOOLEAN", "BYTES", "STREAM"] = "STRING"
    access_mode: Literal["ReadWrite", "ReadOnly"] = "ReadWrite"
    minimum: str = ""
    maximum: str = ""
    unit: str = ""
    visitors: Visitor | None = None


class ModelSpec(Spec, frozen=True):
    """What a model is."""

    properties: tuple[ModelProperty, ...] = ()
    protocol: str = ""
    protocol_config_data: dict[str, Any] | None = None


class DeviceModel(Struct, frozen=True, rename="camel"):
    """A model of devices."""

    metadata: Metadata
    spec: ModelSpec = ModelSpec()
    api_version: str = API
    kind: Literal["DeviceModel"] = "DeviceModel"


class ModelRef(Spec, frozen=True):
    """The model of a device, by name in its namespace."""

    name: str


class Wanted(Spec, frozen=True):
    """A desired value."""

    value: str
    metadata: dict[str, str] = {}


class DeviceProperty(Spec, frozen=True):
    """A property of one device; cycles are milliseconds."""

    name: str
    desired: Wanted | None = None
    visitors: Visitor | None = None
    collect_cycle: int = 0
    report_cycle: int = 0
    report_to_cloud: bool = False
    push_method: dict[str, Any] | None = None


class Method(Spec, frozen=True):
    """A method that writes properties."""

    name: str
    description: str = ""
    property_names: tuple[str, ...] = ()


class StateReport(Spec, frozen=True):
    """Whether and how often (milliseconds) the device's state goes to the cloud."""

    report_to_cloud: bool = False
    report_cycle: int = 0


class DeviceSpec(Spec, frozen=True):
    """What a device is."""

    device_model_ref: ModelRef | None = None
    node_name: str = ""
    properties: tuple[DeviceProperty, ...] = ()
    protocol: Visitor | None = None
    methods: tuple[Method, ...] = ()
    state_report: StateReport | None = None


class Device(Struct, frozen=True, rename="camel"):
    """One device."""

    metadata: Metadata
    spec: DeviceSpec = field(default_factory=DeviceSpec)
    api_version: str = API
    kind: Literal["Device"] = "Device"

    @property
    def id(self) -> str:
        return device_id(self.metadata.namespace, self.metadata.name)


def declared(device: Device, model: DeviceModel | None) -> dict[str, Declared]:
    """What a device and its model say of its properties; a property of one of them alone counts too.

    Raises `Rejected` for a property named twice and for a bound that is no number.
    """
    said: dict[str, Declared] = {}
    for p in model.spec.properties if model is not None else ():
        said[p.name] = Declared(
            kind=p.type.lower(),
            writable=p.access_mode == "ReadWrite",
            minimum=_bound(p.minimum, f"{p.name}.minimum"),
            maximum=_bound(p.maximum, f"{p.name}.maximum"),
            unit=p.unit,
        )
    seen: set[str] = set()
    for own in device.spec.properties:
        if own.name in seen:
            raise Rejected(f"{device.id}: spec.properties: {own.name} is there twice; keep one of them")
        seen.add(own.name)
        base = said.get(own.name, Declared())
        wanted = own.desired.value if own.desired is not None else None
        said[own.name] = Declared(base.kind, base.writable, wanted, base.minimum, base.maximum, base.unit)
    return said


def rhythm_of(device: Device) -> Rhythm:
    """How often it is to be heard. Raises `Rejected` for an annotation that can't be read."""
    spec = device.spec
    cycles = [cycle for p in spec.properties for cycle in (p.report_cycle, p.collect_cycle)]
    cycles += [spec.state_report.report_cycle] if spec.state_report is not None else []
    try:
        return rhythm(device.metadata.annotations, cycles)
    except Rejected as error:
        raise Rejected(f"{device.id}: {error.reason}") from None


def _bound(text: str, where: str) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise Rejected(f"{where}: {text!r} is no number") from None
