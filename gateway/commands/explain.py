"""`gemelo explain`: what a kind of manifest and its fields mean. Needs no gateway."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from gateway.manifests.kinds import KINDS, kind_named
from gateway.manifests.schemas import Schema, schema
from twins.errors import Rejected
from twins.schema import nearest

HELP = "what a kind and its fields mean: gemelo explain device.spec.properties"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="KIND[.FIELD…]", help="as device, or device.spec.properties.desired")
    parser.add_argument("--recursive", action="store_true", help="all fields beneath, as a tree")


async def run(args: argparse.Namespace) -> int:
    word, *names = args.path.split(".")
    kind = kind_named(word)
    if kind not in KINDS:
        raise Rejected(f"no kind {word}: {nearest(word, _words())}")
    whole = schema(kind)
    node, about = whole, whole["description"]
    for depth, name in enumerate(names):
        fields = _fields(node, whole)
        if name not in fields:
            path = ".".join([kind, *names[:depth]])
            raise Rejected(f"{path} has no field {name}: {nearest(name, fields)}")
        node = fields[name]
        about = node.get("description", "")
    print(f"KIND:     {kind}")
    print(f"VERSION:  {_version(whole)}")
    if names:
        print(f"FIELD:    {'.'.join(names)} <{_type(node, whole)}>")
    inner = _struct(node, whole)
    texts = [about, inner.get("description", "") if inner is not None else ""]
    print("\nDESCRIPTION:")
    for text in dict.fromkeys(filter(None, texts)):
        print(*(f"    {line.strip()}" for line in text.strip().splitlines()), sep="\n")
    if fields := _fields(node, whole):
        print("\nFIELDS:")
        print(*_lines(node, whole, 1, recursive=args.recursive), sep="\n")
    return 0


def _lines(node: Schema, whole: Schema, depth: int, *, recursive: bool, above: tuple[str, ...] = ()) -> Iterator[str]:
    struct = _struct(node, whole) or {}
    for name, field in _fields(node, whole).items():
        required = "  required" if name in struct.get("required", ()) else ""
        default = field.get("default")
        usual = f"  (default {default})" if _worth_saying(field) else ""
        text = "" if recursive else f"  {field.get('description', '')}".rstrip()
        yield f"{'    ' * depth}{name} <{_type(field, whole)}>{required}{usual}{text}"
        title = (_struct(field, whole) or {}).get("title", "")
        if recursive and title and title not in above:
            yield from _lines(field, whole, depth + 1, recursive=True, above=(*above, title))


def _worth_saying(field: Schema) -> bool:
    """Whether a default says something: not that it is empty, and not the only value there is."""
    default = field.get("default")
    return bool(default) and not isinstance(default, dict) and field.get("enum") != [default]


def _fields(node: Schema, whole: Schema) -> dict[str, Schema]:
    """The fields of a node: its struct's, that of its items or of its values."""
    return dict((_struct(node, whole) or {}).get("properties", {}))


def _struct(node: Schema, whole: Schema) -> Schema | None:
    """The struct that a node is, or holds."""
    if "$ref" in node:
        part: Schema = whole["$defs"][node["$ref"].rpartition("/")[2]]
        return part if "properties" in part else None
    inside = [*node.get("anyOf", ()), node.get("items"), node.get("additionalProperties")]
    return next((found for each in inside if isinstance(each, dict) and (found := _struct(each, whole))), None)


def _type(node: Schema, whole: Schema) -> str:
    """A type in a few words."""
    if "$ref" in node:
        return (
            "object"
            if _struct(node, whole) is not None
            else _type(whole["$defs"][node["$ref"].rpartition("/")[2]], whole)
        )
    if "enum" in node:
        return "|".join(str(each) for each in node["enum"])
    if "const" in node:
        return str(node["const"])
    if "anyOf" in node:
        return "|".join(dict.fromkeys(_type(each, whole) for each in node["anyOf"] if each.get("type") != "null"))
    if node.get("type") == "array":
        return f"[]{_type(node.get('items') or {}, whole)}"
    if node.get("type") == "object" and isinstance(node.get("additionalProperties"), dict):
        return f"map[string]{_type(node['additionalProperties'], whole)}"
    return str(node.get("type", "any"))


def _version(whole: Schema) -> str:
    said: Any = _fields(whole, whole)["apiVersion"]
    return str(next(iter(said.get("enum", ())), said.get("const", said.get("default", ""))))


def _words() -> Iterator[str]:
    for name, each in KINDS.items():
        yield name.lower()
        yield from each.names
