"""The schema of each kind of manifest as OpenAPI has it (JSON Schema), with the meaning of every field."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct, inspect, structs

from gateway.fields import texts
from gateway.manifests.kinds import KINDS
from twins.errors import Rejected
from twins.schema import nearest

REF = "#/$defs/{name}"
Schema = dict[str, Any]


@cache
def schema(kind: str) -> Schema:
    """The schema of a kind; what it refers to stands under `$defs`. Raises `Rejected` (404) for an unknown kind."""
    known = {name: each.shape for name, each in KINDS.items() if each.shape is not None}
    shape = known.get(kind)
    if shape is None:
        raise Rejected(f"no kind {kind}: {nearest(kind, known)}", 404)
    every = list(_structs(shape))
    named, parts = msgspec.json.schema_components(every, ref_template=REF)
    for struct, said in zip(every, named, strict=True):
        _describe(struct, parts[said["$ref"].rpartition("/")[2]])
    return {"title": kind, "description": (shape.__doc__ or "").strip(), **named[0], "$defs": parts}


def _describe(struct: type[Struct], part: Schema) -> None:
    """Add to each field what it means: the text under it, else what its type says of itself."""
    said = texts(struct)
    for field in structs.fields(struct):
        if text := said.get(field.name):
            part["properties"][field.encode_name]["description"] = text


def _structs(shape: type[Struct]) -> Iterator[type[Struct]]:
    """The struct and all that it is made of, each once."""
    seen: set[type] = set()
    waiting: list[inspect.Type] = [inspect.type_info(shape)]
    while waiting:
        node = waiting.pop()
        match node:
            case inspect.StructType(cls=cls) if cls not in seen:
                seen.add(cls)
                yield cls
                waiting += [field.type for field in node.fields]
            case inspect.Metadata():
                waiting.append(node.type)
            case inspect.UnionType(types=types):
                waiting += types
            case inspect.DictType():
                waiting.append(node.value_type)
            case inspect.ListType() | inspect.VarTupleType() | inspect.SetType() | inspect.FrozenSetType():
                waiting.append(node.item_type)
            case inspect.TupleType(item_types=types):
                waiting += types
            case _:
                pass
