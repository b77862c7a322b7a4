"""Which series a manifest means: the struct people write, and its compiled form."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import Annotated

from msgspec import Meta, Struct

from twins.duration import Duration, microseconds
from twins.values import device_id

Word = Annotated[str, Meta(min_length=1, max_length=253)]


class Node(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Root of the manifests' structs."""


class Source(Node, frozen=True):
    """Series of devices, by device and `property`; or results of another query, by device and `query`."""

    device: Word = "*"
    """Which devices: `namespace/name`, or `name` in the manifest's namespace; `*` and `?` stand for any characters."""
    property: Word | None = None
    """Which of their properties; `*` and `?` as above. The results of queries are none of them."""
    query: Word | None = None
    """In place of a property: a query whose results these are, `name` or `namespace/name`."""
    result: Word = "*"
    """Which of its results: an aggregate, or of an alignment a property."""


class Pattern:
    """Devices and names of one source."""

    __slots__ = ("_device", "_name", "query")

    def __init__(self, source: Source, namespace: str) -> None:
        device = source.device if "/" in source.device else device_id(namespace, source.device)
        self._device = _compiled(device)
        self._name = _compiled(source.result if source.property is None else source.property)
        self.query = upstream(source, namespace)

    def fits(self, device: str, name: str) -> bool:
        """Whether the series `device/name` is meant; of a query, `name` is that of its result."""
        return self._device.match(device) is not None and self._name.match(name) is not None


def upstream(source: Source, namespace: str) -> str:
    """The query that a source reads, `namespace/name`; empty for a source of devices."""
    if source.query is None:
        return ""
    return source.query if "/" in source.query else device_id(namespace, source.query)


def parted(series: str) -> tuple[str, str]:
    """Device and property of a series; only the property may hold a slash."""
    namespace, _, rest = series.partition("/")
    device, _, name = rest.partition("/")
    return f"{namespace}/{device}", name


def time(where: str, duration: Duration, least: int = 0) -> int:
    """A field's duration in microseconds. Raises `ValueError` with its path."""
    try:
        return microseconds(duration, least)
    except ValueError as error:
        raise fault(where, str(error)) from None


def fault(where: str, reason: str) -> ValueError:
    """What a manifest's own check raises: `twins.schema` puts path and reason in order."""
    return ValueError(f"{reason} - at `$.spec.{where}`")


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern.replace("[", "[[]")))
