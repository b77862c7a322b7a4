"""The manifest of how long series are kept: `apiVersion: gemelo.dev/v1alpha1`, `kind: Retention`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from twins.values import device_id

Days = Annotated[float, Meta(gt=0, le=36_500)]


class Metadata(Struct, frozen=True, forbid_unknown_fields=True):
    """What it is called."""

    name: Annotated[str, Meta(min_length=1, max_length=63, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    """Small letters, digits and hyphens."""
    namespace: Annotated[str, Meta(min_length=1, max_length=63)] = "default"
    """Its own; which series it is for, `spec.series` tells alone."""
    labels: dict[str, str] = {}
    """For choosing."""


class RetentionSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """Which series, how long, and in how much space."""

    series: Annotated[str, Meta(min_length=1, max_length=512)]
    """A pattern over `namespace/device/property` with `*`, `?` and `[…]`; of several that fit the longest holds."""
    days: Days | None = None
    """Days that their points are kept; absent: `retention_days` of [store]."""
    rollups: dict[Literal["1m", "1h"], Days] = {}
    """Days that their rollups of one minute and one hour are kept; absent: as [store] says."""
    mib: Annotated[int, Meta(ge=1)] | None = None
    """Most space of their points in MiB; the oldest go first."""


class Retention(Struct, frozen=True, forbid_unknown_fields=True):
    """How long some series are kept, as a person declares it."""

    metadata: Metadata
    """Its name."""
    spec: RetentionSpec
    """What it is for, and how long that is kept."""
    api_version: Literal["gemelo.dev/v1alpha1"] = field(default="gemelo.dev/v1alpha1", name="apiVersion")
    """Our group and version."""
    kind: Literal["Retention"] = "Retention"
    """The kind of object."""

    @property
    def id(self) -> str:
        return device_id(self.metadata.namespace, self.metadata.name)
