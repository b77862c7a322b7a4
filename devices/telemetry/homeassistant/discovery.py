"""The manifest of a discovery: `apiVersion: gemelo.dev/v1alpha1`, `kind: Discovery`."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct, field

from twins.manifests import OwnMetadata


class Discovery(Struct, frozen=True, forbid_unknown_fields=True):
    """`kind: Discovery`: entities that devices tell of under `prefix` become devices in `namespace`."""

    metadata: OwnMetadata
    """Its name."""
    spec: DiscoverySpec
    """Where to listen, and where what is found belongs."""
    api_version: Literal["gemelo.dev/v1alpha1"] = field(default="gemelo.dev/v1alpha1", name="apiVersion")
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


class DiscoverySpec(Struct, frozen=True, forbid_unknown_fields=True):
    protocol: Literal["homeassistant"] = "homeassistant"
    """How devices tell of themselves."""
    prefix: str = "homeassistant"
    """What their topics begin with."""
    namespace: str = "default"
    """Where the devices that are found belong."""
