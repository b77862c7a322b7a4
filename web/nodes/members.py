"""Which nodes are meant: by name, by label, by where they stand. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from msgspec import Struct

from web.nodes.manifest import GroupSpec, Node, Position, Within

_EARTH = 6371.0088
"""Mean radius in kilometres (IUGG)."""


class Place(Struct, frozen=True):
    """What a node can be chosen by, and its manifest; this gateway itself has none."""

    name: str
    labels: Mapping[str, str]
    position: Position | None
    node: Node | None = None


def place(node: Node) -> Place:
    """Of another node."""
    return Place(
        node.metadata.name, named(node.metadata.labels, node.metadata.name, node.spec.site), node.spec.position, node
    )


def named(labels: Mapping[str, str], name: str, site: str) -> Mapping[str, str]:
    """Labels of a node; its name and its site count as such where it has no others of these names."""
    return {"name": name, "site": site, **labels}


def members(group: GroupSpec, places: Iterable[Place]) -> list[Place]:
    """The nodes in a group: those it names, and those that fit all else it says."""
    chooses = bool(group.labels or group.within)
    return [one for one in places if one.name in group.nodes or (chooses and fits(one, group.labels, group.within))]


def fits(one: Place, labels: Mapping[str, str], within: Within | None) -> bool:
    """True for a node that has all these labels, and stands within the circle if there is one."""
    if any(one.labels.get(name) != value for name, value in labels.items()):
        return False
    return within is None or (one.position is not None and kilometres(one.position, within) <= within.km)


def kilometres(a: Position, b: Position | Within) -> float:
    """The way between two places on a sphere, by the haversine formula."""
    north, east = math.radians(b.latitude - a.latitude), math.radians(b.longitude - a.longitude)
    slant = math.cos(math.radians(a.latitude)) * math.cos(math.radians(b.latitude))
    half = math.sin(north / 2) ** 2 + slant * math.sin(east / 2) ** 2
    return 2 * _EARTH * math.asin(math.sqrt(min(1.0, half)))
