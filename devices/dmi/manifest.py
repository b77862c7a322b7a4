"""A registered mapper as the gateway keeps it: `apiVersion: gemelo.dev/v1alpha1`, `kind: Mapper`."""

from __future__ import annotations

import hashlib
import re
from typing import Literal

from msgspec import Struct, field

from twins.manifests import OwnMetadata
from twins.values import device_id, is_name


class MapperSpec(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What a mapper said of itself. Of those with one protocol, the one that registered last is called."""

    name: str
    """What it calls itself."""
    protocol: str
    """Devices of this protocol are its own."""
    address: str = ""
    """Path of its socket; empty: it is not called."""
    version: str = ""
    """The version it gave."""
    api_version: str = ""
    """The interface it speaks."""
    with_data: bool = True
    """Whether it wants its devices and models when it registers."""
    registered: int = 0
    """When it registered last, microseconds UTC."""


class Mapper(Struct, frozen=True, forbid_unknown_fields=True):
    """One mapper."""

    metadata: OwnMetadata
    """Its name."""
    spec: MapperSpec
    """What the mapper said of itself."""
    api_version: Literal["gemelo.dev/v1alpha1"] = field(default="gemelo.dev/v1alpha1", name="apiVersion")
    """Our group and version."""
    kind: Literal["Mapper"] = "Mapper"
    """The kind of object."""

    @property
    def id(self) -> str:
        return device_id(self.metadata.namespace, self.metadata.name)


def manifest_of(spec: MapperSpec) -> Mapper:
    """The manifest of a mapper, under a name that Kubernetes would take."""
    return Mapper(OwnMetadata(object_name(spec.name)), spec)


def object_name(name: str) -> str:
    """The name itself if it may be one; else what is left of it, with a digest that keeps two of them apart."""
    if is_name(name):
        return name
    kept = re.sub(r"[^a-z0-9]+", "-", name.lower())[:64].strip("-")
    digest = hashlib.blake2b(name.encode(), digest_size=4).hexdigest()
    return f"{kept}-{digest}".lstrip("-")
