"""The gateway's live state as rows for SQL: twins, devices, nodes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gateway.config import Config
from twins.twin import Twins
from web.nodes.manifest import Node

Row = tuple[Any, ...]


def tables(
    config: Config, twins: Twins, others: Callable[[], Iterable[tuple[str, Node]]]
) -> Mapping[str, Callable[[], Iterable[Row]]]:
    """Callables by table name; columns as in `store.schema`, times in microseconds."""
    return {
        "twins": lambda: _twins(twins),
        "devices": lambda: _devices(twins),
        "nodes": lambda: _nodes(config, others()),
        "booleans": lambda: _booleans(twins),
    }


def _twins(twins: Twins) -> Iterable[Row]:
    for twin in twins:
        for name, p in twin.properties.items():
            if p.deleted:
                continue
            r, d = p.reported, p.desired
            yield (
                twin.device,
                name,
                None if r is None else r.value,
                None if d is None else d.value,
                None if r is None else r.at,
                None if d is None else d.at,
                0 if r is None else r.version.edge,
                0 if d is None else d.version.cloud,
            )


def _booleans(twins: Twins) -> Iterable[Row]:
    """Properties whose numbers in history stand for `false` and `true`."""
    return ((twin.device, name) for twin in twins for name, p in twin.properties.items() if p.kind == "boolean")


def _devices(twins: Twins) -> Iterable[Row]:
    for twin in twins:
        living = sum(1 for p in twin.properties.values() if not p.deleted)
        state = twin.status or "unknown"
        yield (twin.device, twin.model, state, twin.description, twin.seen or None, living)


def _nodes(config: Config, others: Iterable[tuple[str, Node]]) -> Iterable[Row]:
    node = config.node
    url = f"http://{config.web.listen}" if config.web.listen else ""
    yield (node.name, node.site, url, json.dumps(dict(node.labels)), node.latitude, node.longitude)
    for _, other in others:
        name, spec = other.metadata.name, other.spec
        if name != node.name:
            north, east = (spec.position.latitude, spec.position.longitude) if spec.position else (None, None)
            yield (name, spec.site, spec.url, json.dumps(other.metadata.labels), north, east)
