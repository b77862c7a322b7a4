"""Strict decoding of what people write (configuration, manifests): a wrong key or value is refused with its path.

    device = decode(yaml_value, Device, "pump.yaml")     # raises Rejected("pump.yaml: spec.modl: no such key; …")

A struct takes part by being declared with `forbid_unknown_fields=True`.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from twins.errors import Rejected

T = TypeVar("T")
Hook = Callable[[type, Any], Any]
Token = str | int

_MESSAGE = re.compile(r"(?P<reason>.*?)(?: - at (?P<key>`key` in )?`(?P<path>[^`]*)`)?", re.DOTALL)
_TOKEN = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_QUOTED = re.compile(r"[`'](.*)[`']", re.DOTALL)
_UNQUOTED = re.compile(r"Expected `str`, got `(int|float|bool)`")
_SHOWN = 16
_AROUND = 128
"""Names before and after, in the alphabet, that are compared: to compare 10,000 takes a tenth of a second."""


def decode(data: object, type_: type[T], where: str, *, hook: Hook | None = None, strict: bool = True) -> T:
    """Convert parsed TOML, YAML or JSON to `type_`; `hook(type, value)` makes types msgspec does not know.

    Without `strict` the text `"502"` is a number too, and `"true"` a truth.

    Raises `Rejected` with `where`, the path of the field, the reason and the nearest valid name.
    """
    try:
        return _decode(data, type_, where, hook, strict=strict)
    except RecursionError:
        msg = f"{where}: nested too deeply"
        raise Rejected(msg) from None


def nearest(name: str, valid: Iterable[str]) -> str:
    """A clause that helps: the nearest valid name, else the list of them."""
    names = sorted(valid)
    place = bisect(names, name)
    around = names[max(0, place - _AROUND) : place + _AROUND]
    if near := difflib.get_close_matches(name, around, n=1):
        return f"did you mean {near[0]}?"
    if not names:
        return "none is known here"
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"valid: {', '.join(names[:_SHOWN])}{more}"


def _decode(data: object, type_: type[T], where: str, hook: Hook | None, *, strict: bool) -> T:
    try:
        return msgspec.convert(data, type_, strict=strict, dec_hook=hook)
    except msgspec.ValidationError as error:
        msg = f"{where}: {_explain(str(error), data, type_, hook)}"
        raise Rejected(msg) from None


def _explain(message: str, data: object, type_: type, hook: Hook | None) -> str:
    """msgspec's message as `path: reason; nearest valid name`."""
    match = _MESSAGE.fullmatch(message)
    assert match is not None  # every text matches
    reason = match["reason"]
    path = _locate(match["path"] or "$", data, type_, hook)
    node = _descend(inspect.type_info(type_), data, path)
    quoted = _QUOTED.search(reason)
    name = _brief(quoted[1]) if quoted else ""
    if "unknown field" in reason:
        return f"{_dotted([*path, name])}: no such key; {nearest(name, _keys(node))}"
    if "missing required field" in reason:
        return f"{_dotted([*path, name])}: missing"
    if reason.startswith("Invalid") and (valid := list(_choices(node))):
        return f"{_dotted(path)}: {name!r} is not valid; {nearest(name, valid)}"
    if "matching regex" in reason and (meant := _description(node)):
        return f"{_dotted(path)}: {_brief(repr(_at(data, path)))} is not {meant}"
    keys = "keys: " if match["key"] else ""
    if _UNQUOTED.match(reason) and not keys:
        reason += f'; put it in quotes: "{_brief(_plain(_at(data, path)))}"'
    return f"{_dotted(path)}: {keys}{reason[:1].lower()}{_brief(reason[1:], 400).replace('`', '')}"


def _locate(text: str, data: object, type_: type, hook: Hook | None) -> list[Token]:
    """The path of a message, with msgspec's `[...]` (some key of a mapping) replaced by the key that is wrong."""
    path: list[Token] = []
    for name, index in _TOKEN.findall(text.removeprefix("$")):
        if name:
            path.append(name)
        elif index != "...":
            path.append(int(index))
        else:
            here = _at(data, path)
            if not isinstance(here, dict):
                break
            path.append(_guilty(here, path, data, type_, hook))
    return path


def _guilty(mapping: dict[Any, object], path: list[Token], data: object, type_: type, hook: Hook | None) -> str:
    """The first key that makes the mapping fail, found by halving: a conversion stops at its first fault."""
    items = list(mapping.items())
    good, bad = 0, len(items)
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            msgspec.convert(_replaced(data, path, dict(items[:middle])), type_, dec_hook=hook)
            good = middle
        except msgspec.ValidationError:
            bad = middle
    return str(items[good][0])


def _at(data: Any, path: Iterable[Token]) -> Any:
    for token in path:
        data = data[token]
    return data


def _replaced(data: Any, path: list[Token], part: object) -> Any:
    """A copy of `data` that has `part` at `path`."""
    if not path:
        return part
    copy: Any = dict(data) if isinstance(data, dict) else list(data)
    copy[path[0]] = _replaced(data[path[0]], path[1:], part)
    return copy


def _descend(node: inspect.Type, data: Any, path: Iterable[Token]) -> inspect.Type:
    """The type found at `path`."""
    for token in path:
        node = next(iter(_within(node, data, token)), inspect.AnyType())
        data = data.get(token) if isinstance(data, dict) else data[int(token)]
    return node


def _within(node: inspect.Type, data: Any, token: Token) -> Iterator[inspect.Type]:
    for option in _options(node):
        match option:
            case inspect.StructType():
                if option.tag_field is not None and isinstance(data, dict):
                    if token == option.tag_field:
                        tags = [each.tag for each in _options(node) if isinstance(each, inspect.StructType)]
                        yield inspect.LiteralType(tuple(tag for tag in tags if tag is not None))
                    if data.get(option.tag_field) != option.tag:
                        continue
                yield from (field.type for field in option.fields if field.encode_name == token)
            case inspect.DictType():
                yield option.value_type
            case inspect.ListType() | inspect.VarTupleType() | inspect.SetType() | inspect.FrozenSetType():
                yield option.item_type
            case inspect.TupleType():
                yield option.item_types[int(token)]


def _options(node: inspect.Type) -> Iterator[inspect.Type]:
    match node:
        case inspect.Metadata():
            yield from _options(node.type)
        case inspect.UnionType():
            for each in node.types:
                yield from _options(each)
        case _:
            yield node


def _description(node: inspect.Type) -> str:
    """What the type's `Meta` says it is: a pattern is no explanation for people."""
    match node:
        case inspect.UnionType():
            return next(filter(None, map(_description, node.types)), "")
        case inspect.Metadata():
            return str((node.extra_json_schema or {}).get("description", ""))
    return ""


def _keys(node: inspect.Type) -> Iterator[str]:
    for option in _options(node):
        if isinstance(option, inspect.StructType):
            yield from (field.encode_name for field in option.fields)


def _choices(node: inspect.Type) -> Iterator[str]:
    for option in _options(node):
        match option:
            case inspect.LiteralType():
                yield from map(str, option.values)
            case inspect.EnumType():
                yield from (str(member.value) for member in option.cls)


def _plain(value: object) -> str:
    """A scalar as YAML and JSON write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _brief(text: str, length: int = 80) -> str:
    """A text that somebody else wrote, cut where it is long."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _dotted(path: Iterable[Token]) -> str:
    text = "".join(f"[{token}]" if isinstance(token, int) else f".{_brief(token)}" for token in path)
    return text.removeprefix(".") or "the whole"
