"""Texts of manifests, YAML or JSON, taken apart into documents."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from twins.errors import Rejected

ENDINGS = {".yaml", ".yml", ".json"}
"""What a folder's files with manifests end in."""
TESTS = ".test"
"""What stands before the ending of a file with tests of a rule, `overheat.test.yaml`: there is no manifest in it."""
DEPTH = 64
"""Collections within collections."""
CHAIN = 64
"""Queries that read one another in a row, as far as they are put in order."""
MANIFESTS = 10_000
"""Documents in one call."""

Document = tuple[str, object]
"""Where it stands, for people, and what is written there."""


def files_of(path: Path) -> list[Path]:
    """The files of a folder that have manifests, by name; of a file, itself. Raises `OSError`."""
    if not path.is_dir():
        return [path]
    return sorted(p for p in path.iterdir() if p.suffix in ENDINGS and Path(p.stem).suffix != TESTS)


def documents_of(text: bytes, where: str = "manifest") -> list[Document]:
    """YAML or JSON documents with the place each stands at; a List is taken apart. Raises `Rejected` for bad YAML.

    A place is `where`, with `#2` for the second of several documents and `items[0]` within a list.
    """
    found: list[Document] = []
    try:
        _check_form(text, where)
        documents = list(islice(yaml.load_all(text, Loader=_Loader), MANIFESTS + 1))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Rejected(f"{where}: not YAML: {_story(error)}") from None
    several = sum(document is not None for document in documents) > 1
    for number, document in enumerate(documents, 1):
        place = f"{where}#{number}" if several else where
        if isinstance(document, dict) and str(document.get("kind", "")).endswith("List"):
            items = document.get("items")
            if not isinstance(items, list):
                raise Rejected(f"{place}: items: a {document['kind']} needs a list of objects")
            found += [(f"{place}: items[{index}]", item) for index, item in enumerate(items)]
        elif document is not None:
            found.append((place, document))
    if len(found) > MANIFESTS:
        raise Rejected(f"{where}: more than {MANIFESTS} documents; apply them in parts")
    return found


def in_order(documents: Sequence[Document]) -> list[Document]:
    """Models before the devices that use them, queries after those that they read; all else in its order."""
    queries = {
        _name(data): _read(data) for _, data in documents if isinstance(data, dict) and data.get("kind") == "Query"
    }
    depths = dict.fromkeys(queries, 1)
    for _ in range(min(len(queries), CHAIN)):
        depths = {name: 1 + max((depths.get(each, 0) for each in read), default=0) for name, read in queries.items()}

    def place(document: Document) -> int:
        data = document[1]
        if not isinstance(data, dict) or data.get("kind") == "DeviceModel":
            return 0
        return depths.get(_name(data), 1) if data.get("kind") == "Query" else 1

    return sorted(documents, key=place)


def _name(data: dict[str, Any], said: object = None) -> str:
    """The id of a manifest, or what another that it names would have."""
    metadata = data.get("metadata")
    known = metadata if isinstance(metadata, dict) else {}
    name = str(known.get("name", "") if said is None else said)
    return name if "/" in name else f"{known.get('namespace', 'default')}/{name}"


def _read(data: dict[str, Any]) -> list[str]:
    """The queries that a query reads, as far as it is written as one."""
    spec = data.get("spec")
    sources = spec.get("from") if isinstance(spec, dict) else None
    found = [each.get("query") for each in sources if isinstance(each, dict)] if isinstance(sources, list) else []
    return [_name(data, each) for each in found if isinstance(each, str)]


def _check_form(text: bytes, where: str) -> None:
    """Raise `Rejected` for aliases, and for what is nested so deeply that it would overflow the parser's own stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise Rejected(f"{where}: line {line}: aliases are not taken: they let a small text grow without bound")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH:
                raise Rejected(f"{where}: nested more than {DEPTH} deep: that is no manifest we take")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _story(error: Exception) -> str:
    """What is wrong with a text, and where, on one line."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " ".join(str(error).split())
    return f"line {mark.line + 1}, column {mark.column + 1}: {getattr(error, 'problem', '')}"


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """YAML without dates, which are text to us, and with YAML 1.2's booleans: `ON` and `no` are words of devices.

    Numbers of base 60 are text too, as in YAML 1.2.

    A key that is there twice is refused: one of them would be lost.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        problem=f"{key.value!r} is there twice", problem_mark=key.start_mark
                    )
                seen.add(key.value)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def _number(loader: _Loader, node: yaml.ScalarNode) -> object:
    """A number, but none of base 60: to read one takes a time that grows with its square, and `12:30` is a time."""
    if ":" in node.value:
        raise yaml.constructor.ConstructorError(problem="a number with a colon", problem_mark=node.start_mark)
    kind = node.tag.rpartition(":")[2]
    return loader.construct_yaml_int(node) if kind == "int" else loader.construct_yaml_float(node)


_TAG = "tag:yaml.org,2002:"
_OURS = {f"{_TAG}{kind}" for kind in ("timestamp", "bool", "int", "float")}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag not in _OURS]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
_INT = r"[-+]?(0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)"
_FLOAT = r"[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+][0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
for _kind, _regexp, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", _INT, "-+0123456789"),
    ("float", _FLOAT, "-+0123456789."),
):
    _Loader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(rf"({_regexp})\Z"), list(_first))
for _kind in ("int", "float"):
    _Loader.add_constructor(f"{_TAG}{_kind}", _number)
