"""Kinds of manifests: what each is called, how it is read, and whether it is a device too.

KINDS["Device"].decode(yaml_value, "pump.yaml")      kind_named("devices") == "Device"
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from devices.camera.manifest import Camera
from devices.dmi.manifest import Mapper
from devices.sparkplug.manifest import Sparkplug
from devices.telemetry.homeassistant import Discovery
from devices.telemetry.manifest import Mapping
from gateway.actions import channel
from gateway.actions.channel import Channel
from learning.manifest import Baseline, Forecast
from learning.tuning.manifest import Tuning
from rules.manifest import alarm, detector
from rules.manifest.alarm import Alarm
from rules.manifest.detector import Detector
from store.manifest import Retention
from store.uploads.manifest import Upload
from streams.pipeline import Pipeline
from streams.query import Query
from twins.manifests import Device, DeviceModel, DeviceStatus, read_device, read_model
from twins.pruning import pruned
from twins.schema import decode
from web.nodes.manifest import Group, Node


class Kind(Struct, frozen=True):
    """One kind of manifest: how it is decoded, and whether it is a device too (a camera is one).

    `names` are what people call it beside its own name, in small letters; `shape` is its struct.
    """

    decode: Callable[[object, str], Any]
    is_device: bool = False
    names: tuple[str, ...] = ()
    shape: type[Struct] | None = None

    def understand(self, body: bytes, where: str) -> Any:
        """A manifest that is kept; of the cloud's without what a newer cluster may have put in. Raises `Rejected`."""
        return self.decode(self.known(msgspec.json.decode(body)), where)

    def known(self, data: Any) -> Any:
        """A manifest as it is, or where the cloud manages it, what of it is known here."""
        metadata = data.get("metadata") if isinstance(data, dict) else None
        is_clouds = isinstance(metadata, dict) and metadata.get("uid")
        return pruned(data, self.shape) if is_clouds and self.shape is not None else data


def kind(shape: type[Struct], *names: str, is_device: bool = False) -> Kind:
    """A kind whose struct says it all."""
    return Kind(lambda data, where: decode(data, shape, where), is_device, names, shape)


KINDS = {
    "Device": Kind(read_device, names=("devices", "dev"), shape=Device),
    "DeviceModel": Kind(read_model, names=("devicemodels", "model", "models"), shape=DeviceModel),
    "DeviceStatus": kind(DeviceStatus, "devicestatuses"),
    "Camera": kind(Camera, "cameras", is_device=True),
    "Mapper": kind(Mapper, "mappers"),
    "Mapping": kind(Mapping, "mappings"),
    "Discovery": kind(Discovery, "discoveries"),
    "Sparkplug": kind(Sparkplug, "sparkplugs"),
    "Retention": kind(Retention, "retentions"),
    "Upload": kind(Upload, "uploads"),
    "Node": kind(Node, "nodes"),
    "Group": kind(Group, "groups"),
    "Detector": Kind(detector.decode, names=("detectors", "rule", "rules"), shape=Detector),
    "Channel": Kind(channel.decode, names=("channels",), shape=Channel),
    "Alarm": Kind(alarm.decode, names=("alarms",), shape=Alarm),
    "Baseline": kind(Baseline, "baselines"),
    "Forecast": kind(Forecast, "forecasts"),
    "Tuning": kind(Tuning, "tunings"),
    "Pipeline": kind(Pipeline, "pipelines"),
    "Query": kind(Query, "queries"),
}
"""Every kind that a gateway takes."""


def kind_named(word: str) -> str:
    """The kind that people mean by a word; the word itself when it is none."""
    said = word.lower()
    return next((name for name, each in KINDS.items() if said == name.lower() or said in each.names), word)
