"""The manifest of a Sparkplug host: `apiVersion: gemelo.dev/v1alpha1`, `kind: Sparkplug`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from devices.sparkplug.topic import WORD
from twins.values import NAME_RULE, is_name

Group = Annotated[str, Meta(min_length=1, max_length=WORD)]


class SparkplugMetadata(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    """Small letters, digits, hyphens and dots."""
    namespace: str = "default"
    """Its namespace."""
    labels: dict[str, str] = {}
    """For choosing."""
    annotations: dict[str, str] = {}
    """Free texts."""


class SparkplugSpec(Struct, frozen=True, forbid_unknown_fields=True):
    groups: Annotated[tuple[Group, ...], Meta(max_length=64)] = ()
    """Groups that are heard, the second word of the topics; absent: those that no other Sparkplug names."""
    namespace: str = "default"
    """Where nodes and devices belong."""
    commands: bool = True
    """Whether nodes are asked something: a birth, or what is desired. `false` beside another host that does."""


class Sparkplug(Struct, frozen=True, forbid_unknown_fields=True):
    """How nodes that speak Sparkplug B, and their devices, become devices here."""

    metadata: SparkplugMetadata
    """Its name."""
    spec: SparkplugSpec = SparkplugSpec()
    """Whom to hear, and where they belong."""
    api_version: Literal["gemelo.dev/v1alpha1"] = field(default="gemelo.dev/v1alpha1", name="apiVersion")
    """Our group and version."""
    kind: Literal["Sparkplug"] = "Sparkplug"
    """The kind of object."""

    def __post_init__(self) -> None:
        if not is_name(self.spec.namespace):
            reason = f"{self.spec.namespace!r} is no namespace: {NAME_RULE} - at `$.spec.namespace`"
            raise ValueError(reason)
        for number, group in enumerate(self.spec.groups):
            if not group.isprintable() or any(sign in group for sign in "/+#"):
                reason = f"{group!r} is no group: one word of a topic, without + and # - at `$.spec.groups[{number}]`"
                raise ValueError(reason)
