"""The manifest of a mapping: `apiVersion: gemelo.dev/v1alpha1`, `kind: Mapping`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

from msgspec import Meta, Struct, field

from devices.telemetry.formats import LABELLED, Format
from devices.telemetry.frame import NAME
from twins.manifests import OwnMetadata
from twins.path import Path
from twins.schema import nearest
from twins.topic import Topic

T = TypeVar("T")
Scalar = bool | int | float | str
TimeUnit = Literal["s", "ms", "us", "ns", "iso"]
DeviceState = Literal["online", "offline", "ok", "unknown", "unhealthy"]
PLACE = re.compile(r"\{([a-z0-9_]+)\}")
"""A place in a template that a word of the topic, or what a `*` stood for, fills."""


class _Node(Struct, frozen=True, forbid_unknown_fields=True):
    """Root of the manifest's structs."""


class Command(_Node, frozen=True):
    """Where a desired value of the property is published, and as what: as `map` has it by its text, else as it is."""

    topic: Annotated[str, Meta(min_length=1, max_length=1024)]
    """A topic with the words of the mapping's own, `zigbee2mqtt/{device}/set`."""
    map: Annotated[dict[str, str], Meta(max_length=256)] = {}
    """What is sent for a value, by its text."""


class PropertyMapping(_Node, frozen=True):
    """One value of a message, and the property it becomes: `map`, else `value * scale + offset`, as `type`."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME)]
    """The property; `{word}` stands for a word of the topic, `{1}` for what the first `*` of the path stood for."""
    path: Annotated[str, Meta(max_length=512)] | None = None
    """Where the value stands, `a.b[0].*.c`; absent: at the property's own name, or the whole body where it is bare."""
    type: Literal["string", "int", "float", "double", "boolean"] | None = None
    """The property's type, where no model declares it. `int` is rounded; `boolean` takes on/off, yes/no and 1/0 too."""
    scale: float = 1.0
    """Numbers are multiplied by this."""
    offset: float = 0.0
    """And this is added."""
    unit: Annotated[str, Meta(max_length=32)] = ""
    """Shown where no model declares one."""
    map: Annotated[dict[str, Scalar | None], Meta(max_length=256)] = {}
    """Values by their text: `{"ON": true}`; `null` leaves the value out."""
    command: Command | None = None
    """How a desired value is published; absent: the usual delta alone."""


class Timestamp(_Node, frozen=True):
    """Where the message says when it was: a number in `unit` since 1970, or `iso`, a date as ISO 8601 has it."""

    path: Annotated[str, Meta(min_length=1, max_length=512)]
    """Where it stands."""
    unit: TimeUnit = "ms"
    """How it counts."""


class StateMapping(_Node, frozen=True):
    """Where the message says how the device is; `map` makes other words online, offline, ok, unknown or unhealthy."""

    path: Annotated[str, Meta(max_length=512)] = "$"
    """Where it stands; `$` is the whole body."""
    map: Annotated[dict[str, DeviceState], Meta(max_length=256)] = {}
    """States by the device's own words."""


class MappingSpec(_Node, frozen=True):
    topic: Annotated[str, Meta(min_length=1, max_length=1024)]
    """An MQTT filter; words in braces have names: `zigbee2mqtt/{device}`."""
    format: Format = "auto"
    """What the messages are; auto: JSON, a bare number or text."""
    device: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    """`name` or `namespace/name` with `{word}`; absent: `{device}` and `{namespace}` of the topic."""
    properties: Annotated[tuple[PropertyMapping, ...], Meta(max_length=256)] = ()
    """Values of a message, and the properties they become."""
    state: StateMapping | None = None
    """How the device says how it is."""
    timestamp: Timestamp | None = None
    """When it was; absent: when the message arrived."""
    rest: Literal["keep", "ignore"] | None = None
    """What becomes of all other values; absent: kept where neither properties nor a state are listed, else ignored."""


class Mapping(_Node, frozen=True):
    """How messages of devices that know nothing of twins become reported properties."""

    metadata: OwnMetadata
    """Its name."""
    spec: MappingSpec
    """Which messages, and what becomes of them."""
    api_version: Literal["gemelo.dev/v1alpha1"] = field(default="gemelo.dev/v1alpha1", name="apiVersion")
    """Our group and version."""
    kind: Literal["Mapping"] = "Mapping"
    """The kind of object."""

    @property
    def id(self) -> str:
        return f"{self.metadata.namespace}/{self.metadata.name}"

    def __post_init__(self) -> None:
        spec = self.spec
        names = set(_at("topic", Topic, spec.topic).names)
        if spec.device is None and "device" not in names:
            raise _fault("device", "missing: name the device, or put {device} into the topic")
        if spec.device is not None:
            if spec.device.count("/") > 1 or not all(spec.device.split("/")):
                raise _fault("device", f"{spec.device!r} is neither name nor namespace/name")
            if spec.format not in LABELLED:
                _check_places("device", spec.device, names)
        for number, each in enumerate(spec.properties):
            path = None if each.path is None else _at(f"properties[{number}].path", Path, each.path)
            stars = {str(n + 1) for n in range(path.stars if path is not None else 0)}
            _check_places(f"properties[{number}].name", each.name, names | stars)
            if each.command is not None:
                _check_command(f"properties[{number}].command.topic", each, names)
        if spec.state is not None and _at("state.path", Path, spec.state.path).stars:
            raise _fault("state.path", "one place is meant, and * is many")
        if spec.timestamp is not None and _at("timestamp.path", Path, spec.timestamp.path).stars:
            raise _fault("timestamp.path", "one place is meant, and * is many")


def _check_command(where: str, each: PropertyMapping, names: set[str]) -> None:
    """A topic that can be published to, and is no topic of our own; the property is one, by a name that is known."""
    assert each.command is not None  # asked only then
    if any(place.isdigit() for place in PLACE.findall(each.name)):
        raise _fault(where, "the property's name has a * of its path in it: which one is meant cannot be known")
    _check_places(where, each.command.topic, names)
    topic = _at(where, Topic, PLACE.sub("x", each.command.topic))
    if "+" in topic.filter or "#" in topic.filter:
        raise _fault(where, f"{each.command.topic!r}: one topic is meant, without + and #")


def _check_places(where: str, template: str, names: set[str]) -> None:
    for name in PLACE.findall(template):
        if name not in names:
            raise _fault(
                where, f"{{{name}}} is no named word of the topic and no * of the path; {nearest(name, names)}"
            )
    if "{" in PLACE.sub("", template) or "}" in PLACE.sub("", template):
        raise _fault(where, f"{template!r}: braces hold a word's name, such as {{device}}")


def _at(where: str, make: Callable[[str], T], text: str) -> T:
    try:
        return make(text)
    except ValueError as error:
        raise _fault(where, str(error)) from None


def _fault(where: str, reason: str) -> ValueError:
    return ValueError(f"{reason} - at `$.spec.{where}`")
