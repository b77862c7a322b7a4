"""What one message tells of one entity: the property it is, where its values come from, and how they read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from devices.telemetry.homeassistant.body import config_of, long
from twins.errors import Rejected
from twins.path import Path

_COMPONENTS = frozenset({"sensor", "binary_sensor", "switch", "number", "select", "text"})
_STEPS = r"""(?:\.\w+|\[[0-9]+\]|\['[^'{}]*'\]|\["[^"{}]*"\])*"""
_TEMPLATE = re.compile(rf"\{{\{{-?\s*(?:value|value_json(?P<path>{_STEPS}))\s*(?P<filters>\|[^{{}}]*?)?\s*-?\}}\}}")
_FILTERS = re.compile(r"(\|\s*(float|int|round|is_defined)(\(\s*[0-9.]*\s*\))?\s*)*")
_UNFIT = re.compile(r"[^a-z0-9]+")


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
    config = config_of(payload)
    source = _text(config, "state_topic")
    if not source:
        raise Rejected("it has no state_topic: nothing is reported")
    about = config.get("device")
    about = long(about) if isinstance(about, dict) else {}
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
    said = long(one) if isinstance(one, dict) else {}
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
