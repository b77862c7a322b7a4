"""Home Assistant's MQTT discovery: what a device says of one of its entities, and the manifests that follow from it.

    homeassistant/sensor/0x00158d/temperature/config
    {"state_topic": "zigbee2mqtt/Hall", "value_template": "{{ value_json.temperature }}", "unit_of_measurement": "°C",
     "device": {"identifiers": ["0x00158d"], "name": "Hall"}}

Sensors, binary sensors, switches, numbers, selects and texts, with full or short keys. Of templates `{{ value }}` and
`{{ value_json.path }}` are understood, with filters that change nothing but the form of a number; what needs more is
refused, and a command that has a template of its own is left out. Pure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from devices.telemetry.path import Path
from twins.errors import Rejected
from twins.manifests import API

LABEL = "gemelo.dev/discovered"
"""The label of manifests that were made here: others are a person's, and stay as they are."""
BODY_LIMIT = 32 * 1024
_COMPONENTS = frozenset({"sensor", "binary_sensor", "switch", "number", "select", "text"})
_SHORT = {
    "stat_t": "state_topic",
    "val_tpl": "value_template",
    "unit_of_meas": "unit_of_measurement",
    "stat_cla": "state_class",
    "cmd_t": "command_topic",
    "cmd_tpl": "command_template",
    "pl_on": "payload_on",
    "pl_off": "payload_off",
    "stat_on": "state_on",
    "stat_off": "state_off",
    "avty": "availability",
    "avty_t": "availability_topic",
    "avty_tpl": "availability_template",
    "pl_avail": "payload_available",
    "pl_not_avail": "payload_not_available",
    "dev": "device",
    "ids": "identifiers",
    "t": "topic",
}
_STEPS = r"""(?:\.\w+|\[[0-9]+\]|\['[^'{}]*'\]|\["[^"{}]*"\])*"""
_TEMPLATE = re.compile(rf"\{{\{{-?\s*(?:value|value_json(?P<path>{_STEPS}))\s*(?P<filters>\|[^{{}}]*?)?\s*-?\}}\}}")
_FILTERS = re.compile(r"(\|\s*(float|int|round|is_defined)(\(\s*[0-9.]*\s*\))?\s*)*")
_UNFIT = re.compile(r"[^a-z0-9]+")


class Discovery(Struct, frozen=True, forbid_unknown_fields=True):
    """`kind: Discovery`: entities that devices tell of under `prefix` become devices in `namespace`."""

    metadata: DiscoveryMetadata
    """Its name."""
    spec: DiscoverySpec
    """Where to listen, and where what is found belongs."""
    api_version: Literal["gemelo.dev/v1alpha1"] = msgspec.field(default="gemelo.dev/v1alpha1", name="apiVersion")
    """Our group and version."""
    kind: Literal["Discovery"] = "Discovery"
    """The kind of object."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[^+#$/{}\0]+(/[^+#/{}\0]+)*", self.spec.prefix) or self.spec.prefix.startswith("gemelo"):
            reason = f"{self.spec.prefix!r} is no beginning of topics of others - at `$.spec.prefix`"
            raise ValueError(reason)

    @property
    def filters(self) -> tuple[str, ...]:
        return tuple(f"{self.spec.prefix}/{words}/config" for words in ("+/+", "+/+/+"))


class DiscoveryMetadata(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    """Small letters, digits, hyphens and dots."""
    namespace: str = "default"
    """Its namespace."""
    labels: dict[str, str] = {}
    """For choosing."""
    annotations: dict[str, str] = {}
    """Free texts."""


class DiscoverySpec(Struct, frozen=True, forbid_unknown_fields=True):
    protocol: Literal["homeassistant"] = "homeassistant"
    """How devices tell of themselves."""
    prefix: str = "homeassistant"
    """What their topics begin with."""
    namespace: str = "default"
    """Where the devices that are found belong."""


class Availability(NamedTuple):
    """Where a device says that it is there, and in which words."""

    topic: str
    path: str
    words: dict[str, str]


class Entity(Struct, frozen=True):
    """One property of a device, as discovery tells of it."""

    id: str
    device: str
    title: str
    name: str
    type: str
    unit: str
    topic: str
    path: str
    map: dict[str, bool]
    command: str
    availability: Availability | None


def entity(topic: str, prefix: str, payload: bytes) -> Entity | str:
    """What one message tells of; of an entity that is gone only its id. Raises `Rejected`."""
    component, *node, thing, _ = topic.removeprefix(f"{prefix}/").split("/")
    said = "/".join((component, *node, thing))
    if not payload.strip():
        return said
    if component not in _COMPONENTS:
        raise Rejected(f"a {component[:40]} is none of {', '.join(sorted(_COMPONENTS))}")
    config = _config(payload)
    source = _text(config, "state_topic")
    if not source:
        raise Rejected("it has no state_topic: nothing is reported")
    about = config.get("device")
    about = _long(about) if isinstance(about, dict) else {}
    ids = about.get("identifiers") or (node or [thing])
    first = str(ids[0] if isinstance(ids, list) else ids)
    command = _text(config, "command_topic") if "command_template" not in config else ""
    return Entity(
        id=said,
        device=_name(first),
        title=str(about.get("name", first))[:200],
        name=_name(thing),
        type=_type(component, config),
        unit=_text(config, "unit_of_measurement")[:32],
        topic=_topic(source),
        path=_path(_text(config, "value_template")),
        map=_words(component, config),
        command=_topic(command) if command and component not in {"sensor", "binary_sensor"} else "",
        availability=_availability(config),
    )


def mapping_name(device: str, topic: str) -> str:
    """The mapping of one topic of one device."""
    return f"{device[:50].rstrip('-')}-{hashlib.blake2b(topic.encode(), digest_size=4).hexdigest()}"


def with_model(known: Mapping[str, Any] | None, one: Entity, namespace: str) -> dict[str, Any]:
    """The device's model, with this entity in it."""
    kind = {"name": one.name, "type": one.type, "accessMode": "ReadWrite" if one.command else "ReadOnly"}
    if one.unit:
        kind["unit"] = one.unit
    before = [p for p in _spec(known).get("properties", []) if p["name"] != one.name]
    return _manifest(API, "DeviceModel", one.device, namespace, {"properties": [*before, kind]})


def with_device(one: Entity, namespace: str) -> dict[str, Any]:
    """The device itself."""
    made = _manifest(API, "Device", one.device, namespace, {"deviceModelRef": {"name": one.device}})
    made["metadata"]["annotations"] = {"gemelo.dev/title": one.title}
    return made


def with_mapping(known: Mapping[str, Any] | None, one: Entity, namespace: str) -> dict[str, Any]:
    """The mapping of the entity's topic, with this entity in it."""
    spec = _spec(known)
    taken: dict[str, Any] = {"name": one.name, "path": one.path, "type": one.type.lower()}
    if one.map:
        taken["map"] = one.map
    if one.unit:
        taken["unit"] = one.unit
    if one.command:
        taken["command"] = {"topic": one.command, "map": {str(v).lower(): k for k, v in one.map.items()}}
    others = [p for p in spec.get("properties", []) if p["name"] != one.name]
    return _mapped(known, one, namespace, one.topic, spec | {"properties": [*others, taken]})


def with_state(known: Mapping[str, Any] | None, one: Entity, namespace: str) -> dict[str, Any]:
    """The mapping of the topic on which the device says that it is there."""
    assert one.availability is not None  # asked only then
    topic, path, words = one.availability
    return _mapped(known, one, namespace, topic, _spec(known) | {"state": {"path": path, "map": words}})


def without(known: Mapping[str, Any], entity: str) -> dict[str, Any] | None:
    """A mapping without an entity that is gone; `None` when nothing is left of it."""
    told = known["metadata"].get("annotations", {})
    gone = {name for name, each in told.items() if each == entity}
    left = [p for p in _spec(known).get("properties", []) if p["name"] not in gone]
    if not left and "state" not in _spec(known):
        return None
    metadata = known["metadata"] | {"annotations": {n: e for n, e in told.items() if n not in gone}}
    return {**known, "metadata": metadata, "spec": _spec(known) | {"properties": left}}


def _mapped(
    known: Mapping[str, Any] | None, one: Entity, namespace: str, topic: str, spec: dict[str, Any]
) -> dict[str, Any]:
    name = mapping_name(one.device, topic)
    whole = {"topic": topic, "device": f"{namespace}/{one.device}", "rest": "ignore"} | spec
    made = _manifest("gemelo.dev/v1alpha1", "Mapping", name, namespace, whole)
    told = {} if known is None else known["metadata"].get("annotations", {})
    made["metadata"]["annotations"] = told | ({one.name: one.id} if topic == one.topic else {})
    return made


def _manifest(api: str, kind: str, name: str, namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "labels": {LABEL: "homeassistant"}}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}


def _spec(known: Mapping[str, Any] | None) -> dict[str, Any]:
    return {} if known is None else dict(known["spec"])


def _config(payload: bytes) -> dict[str, Any]:
    """The body with long keys and whole topics."""
    if len(payload) > BODY_LIMIT:
        raise Rejected(f"the body has {len(payload)} bytes, more than the {BODY_LIMIT} allowed")
    try:
        body = msgspec.json.decode(payload, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(f"no JSON object: {error}") from None
    base = body.get("~")
    config = _long(body)
    return _based(config, base) if isinstance(base, str) else config


def _long(body: Mapping[str, Any]) -> dict[str, Any]:
    return {_SHORT.get(key, key): value for key, value in body.items()}


def _based(value: Any, base: str) -> Any:
    """`~` at the beginning or end of a topic is the base."""
    if isinstance(value, dict):
        topics = {k: v for k, v in value.items() if k in {"t", "topic"} or k.endswith("_topic") or k == "availability"}
        return value | {key: _based(topic, base) for key, topic in topics.items()}
    if isinstance(value, list):
        return [_based(item, base) for item in value]
    if isinstance(value, str):
        value = base + value[1:] if value.startswith("~") else value
        return value[:-1] + base if value.endswith("~") else value
    return value


def _type(component: str, config: Mapping[str, Any]) -> str:
    if component in {"binary_sensor", "switch"}:
        return "BOOLEAN"
    measures = component == "sensor" and ("unit_of_measurement" in config or "state_class" in config)
    return "DOUBLE" if measures or component == "number" else "STRING"


def _words(component: str, config: Mapping[str, Any]) -> dict[str, bool]:
    if component not in {"binary_sensor", "switch"}:
        return {}
    on, off = str(config.get("payload_on", "ON")), str(config.get("payload_off", "OFF"))
    if component == "switch":
        on, off = str(config.get("state_on", on)), str(config.get("state_off", off))
    return {_said(on): True, _said(off): False}


def _said(word: str) -> str:
    """A payload as the text of a value: Python's way to write a boolean is JSON's here."""
    return word.lower() if word in {"True", "False"} else word


def _availability(config: Mapping[str, Any]) -> Availability | None:
    """The first of them where there are several."""
    listed = config.get("availability")
    one = listed[0] if isinstance(listed, list) and listed else listed
    said = _long(one) if isinstance(one, dict) else {}
    topic = _text(said, "topic") or _text(config, "availability_topic")
    if not topic:
        return None
    source = said if said else config
    template = _text(said, "value_template") or _text(config, "availability_template")
    here, away = source.get("payload_available", "online"), source.get("payload_not_available", "offline")
    return Availability(_topic(topic), _path(template), {_said(str(here)): "online", _said(str(away)): "offline"})


def _path(template: str) -> str:
    """The path that a template leads to. Raises `Rejected` for one that does more."""
    if not template.strip():
        return "$"
    match = _TEMPLATE.fullmatch(template.strip())
    if match is None or _FILTERS.fullmatch(match["filters"] or "") is None:
        raise Rejected(f"the template {template[:80]!r} does more than lead to a value")
    path = f"${match['path'] or ''}"
    try:
        Path(path)
    except ValueError as error:
        raise Rejected(str(error)) from None
    return path


def _topic(text: str) -> str:
    if any(sign in text for sign in "+#{}\0") or text.startswith("$"):
        raise Rejected(f"{text[:80]!r} is no topic of a device")
    return text


def _text(config: Mapping[str, Any], key: str) -> str:
    value = config.get(key, "")
    if not isinstance(value, str):
        raise Rejected(f"{key} is {str(value)[:40]}: text is meant")
    return value


def _name(text: str) -> str:
    """A name that a device, a model and a property may have."""
    name = _UNFIT.sub("-", text.lower()).strip("-")[:53].rstrip("-")
    if not name:
        raise Rejected(f"{text[:40]!r} has no letter or digit to make a name of")
    return name
