"""What the cloud asks for, read strictly: desired values, manifests, whole twins. Pure."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from cloud.mqtt.events import Said, read
from cloud.mqtt.topics import Place
from twins.errors import Rejected
from twins.stimuli import Requested

VERSION = 2**63 - 1
Scalar = str | bool | int | float | None


class Desired(Struct, frozen=True, forbid_unknown_fields=True):
    """The data of a message on `…/desired`."""

    version: Annotated[int, Meta(ge=1, le=VERSION)]
    properties: Annotated[dict[str, Scalar], Meta(max_length=4096)]
    whole: bool = False


class Get(Struct, frozen=True, forbid_unknown_fields=True):
    """The data of a message on `get`; no devices means all."""

    devices: tuple[str, ...] = ()


def requested(place: Place, said: Said, cause: str, seen: int) -> Requested:
    """Desired values as the twins take them; `Rejected` for what can't be read."""
    desired: Desired = read(said, Desired)
    values = {name: _text(value) for name, value in desired.properties.items()}
    return Requested(place.name, cause, seen, values, desired.version, desired.whole)


def manifest(place: Place, said: Said, node: str) -> dict[str, Any]:
    """A manifest that is where it belongs; `Rejected` for one that is not."""
    data: dict[str, Any] = read(said, dict[str, Any])
    kind, metadata, spec = data.get("kind"), data.get("metadata"), data.get("spec")
    if kind != place.kind:
        raise Rejected(f"kind: {str(kind)[:80]!r} is on the topic of a {place.kind}")
    if not isinstance(metadata, dict):
        raise Rejected("metadata: is missing")
    name = f"{metadata.get('namespace') or 'default'}/{metadata.get('name')}"
    if name != place.name:
        raise Rejected(f"metadata: {name[:200]!r} is on the topic of {place.name}")
    where = spec.get("nodeName") if isinstance(spec, dict) else None
    if where and where != node:
        raise Rejected(f"spec.nodeName: {str(where)[:80]!r} is another node; this one is {node}", 409)
    return data


def wanted(said: Said | None) -> Get:
    """Which whole twins are asked for."""
    return Get() if said is None else read(said, Get)


def _text(value: Scalar) -> str | None:
    """A value as twins have it; nothing and the empty text desire nothing."""
    match value:
        case None | "":
            return None
        case str():
            return value
        case _:
            return msgspec.json.encode(value).decode()
