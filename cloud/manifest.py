"""Kubernetes' Device and DeviceModel, as far as a twin cares. Pure."""

from __future__ import annotations

from contextlib import suppress

import msgspec
from msgspec import Raw, Struct

from cloud.frames import UNREADABLE
from cloud.messages import Object
from twins.errors import Rejected
from twins.liveness import INTERVAL, Rhythm, rhythm
from twins.values import Declared


class Meta(Struct, omit_defaults=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resourceVersion: str = ""  # noqa: N815 - Kubernetes' own spelling, here and below
    generation: int = 0
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class Manifest(Struct, kw_only=True):
    """A Kubernetes object without its bookkeeping (managed fields, annotations of others, status)."""

    kind: str = ""
    """Not in what CloudCore's comparison (syncController) sends: the message's resource tells it."""
    metadata: Meta
    apiVersion: str = "devices.kubeedge.io/v1beta1"  # noqa: N815
    spec: Raw = Raw(b"{}")


class _Desired(Struct):
    value: str = ""
    metadata: dict[str, str] | None = None


class _DeviceProperty(Struct):
    name: str
    desired: _Desired | None = None
    collectCycle: int | None = None  # noqa: N815
    reportCycle: int | None = None  # noqa: N815


class _StateReport(Struct):
    reportCycle: int | None = None  # noqa: N815


class _Reference(Struct):
    name: str = ""


class _DeviceSpec(Struct):
    deviceModelRef: _Reference | None = None  # noqa: N815
    nodeName: str | None = None  # noqa: N815
    properties: tuple[_DeviceProperty, ...] | None = None
    stateReport: _StateReport | None = None  # noqa: N815


class _ModelProperty(Struct):
    name: str
    type: str = "STRING"
    accessMode: str = "ReadWrite"  # noqa: N815
    minimum: str | float | None = None
    maximum: str | float | None = None
    unit: str = ""


class _ModelSpec(Struct):
    properties: tuple[_ModelProperty, ...] | None = None


class Device(Struct, frozen=True):
    manifest: Manifest
    spec: _DeviceSpec
    model: str


class Model(Struct, frozen=True):
    manifest: Manifest
    properties: dict[str, _ModelProperty]


def read(message: Object, kind: str) -> Manifest:
    """The object inside a message; raise `Rejected` when it cannot be read."""
    try:
        manifest = msgspec.json.decode(message.content, type=Manifest)
        # Its spec is read now too, so that what is kept on disk can be read again.
        parse_device(message.namespace + "/", manifest) if kind == "Device" else parse_model(manifest)
    except UNREADABLE as error:
        reason = f"{kind} {message.namespace}/{message.name} from the cloud cannot be read: {error}"
        raise Rejected(reason) from error
    manifest.kind = kind
    if not manifest.metadata.resourceVersion:
        manifest.metadata.resourceVersion = message.version
    ours = {key: text for key, text in (manifest.metadata.annotations or {}).items() if key == INTERVAL}
    manifest.metadata.annotations = ours or None
    return manifest


def parse_device(name: str, manifest: Manifest) -> Device:
    """The Device `namespace/name` of a manifest."""
    spec = msgspec.json.decode(manifest.spec, type=_DeviceSpec)
    reference = spec.deviceModelRef.name if spec.deviceModelRef else ""
    return Device(manifest, spec, f"{name.partition('/')[0]}/{reference}")


def parse_model(manifest: Manifest) -> Model:
    """The DeviceModel of a manifest."""
    spec = msgspec.json.decode(manifest.spec, type=_ModelSpec)
    return Model(manifest, {one.name: one for one in spec.properties or ()})


def declare(device: Device, model: Model) -> dict[str, Declared]:
    """What a Device lists in `spec.properties`, typed by its model; all else CloudCore would drop."""
    return {one.name: _property(one, model.properties.get(one.name)) for one in device.spec.properties or ()}


def rhythm_of(device: Device) -> Rhythm:
    """How often the device is to be heard; an annotation that can't be read says nothing."""
    spec = device.spec
    cycles = [cycle or 0 for one in spec.properties or () for cycle in (one.reportCycle, one.collectCycle)]
    cycles += [spec.stateReport.reportCycle or 0] if spec.stateReport else []
    with suppress(Rejected):
        return rhythm(device.manifest.metadata.annotations or {}, cycles)
    return rhythm({}, cycles)


def _property(one: _DeviceProperty, model: _ModelProperty | None) -> Declared:
    desired = one.desired.value if one.desired else None
    if model is None:
        hint = (one.desired.metadata or {}).get("type") if one.desired else None
        return Declared(kind=hint or "string", desired=desired)
    return Declared(
        kind=model.type.lower(),
        writable=model.accessMode != "ReadOnly",
        desired=desired,
        minimum=_number(model.minimum),
        maximum=_number(model.maximum),
        unit=model.unit,
    )


def _number(text: str | float | None) -> float | None:
    """A limit; what is no number limits nothing, as in KubeEdge."""
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def newer(new: Meta, old: Meta) -> bool:
    """True unless `new` is the same object in the same or an older version."""
    if new.uid != old.uid:
        return True
    if new.resourceVersion.isdecimal() and old.resourceVersion.isdecimal():
        return int(new.resourceVersion) > int(old.resourceVersion)
    return new.resourceVersion != old.resourceVersion


def uid(data: bytes) -> str:
    """The uid of a manifest on disk; empty for one that was not made by a cluster."""
    try:
        return msgspec.json.decode(data, type=Manifest).metadata.uid
    except msgspec.MsgspecError:
        return ""  # applied locally, in a form of its own
