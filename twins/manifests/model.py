"""KubeEdge's `DeviceModel`: the properties that all devices of a model have."""

from __future__ import annotations

from typing import Any, Literal

from twins.manifests.metadata import API, Metadata, Spec


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
