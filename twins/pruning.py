"""Manifests of a newer cluster: Kubernetes drops what the schema of a kind does not know, wherever that stands.

Where a field is free (`configData`, labels), nothing is dropped, as KubeEdge's schemas have it
(`x-kubernetes-preserve-unknown-fields`).
"""

from __future__ import annotations

from typing import Any

from msgspec import inspect


def pruned(data: Any, type_: type) -> Any:
    """Parsed JSON without the keys that the structs of `type_` do not have; what does not fit stays as it is."""
    return _pruned(data, inspect.type_info(type_))


def _pruned(data: Any, node: inspect.Type) -> Any:
    match node:
        case inspect.Metadata():
            return _pruned(data, node.type)
        case inspect.UnionType():
            for option in node.types:
                data = _pruned(data, option)
        case inspect.StructType() if isinstance(data, dict):
            known = {field.encode_name: field.type for field in node.fields}
            return {key: _pruned(value, known[key]) for key, value in data.items() if key in known}
        case inspect.DictType() if isinstance(data, dict):
            return {key: _pruned(value, node.value_type) for key, value in data.items()}
        case inspect.ListType() | inspect.VarTupleType() if isinstance(data, list):
            return [_pruned(value, node.item_type) for value in data]
    return data
