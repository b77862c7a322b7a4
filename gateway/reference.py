"""The configuration's reference, made from the sections: the table for people and the commented example file.

`python -m gateway.reference` (`make docs`) writes both; a test keeps them true.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct, structs
from msgspec import inspect as types

from gateway import sections
from gateway.config import Config

ROOT = Path(__file__).parents[1]
PACKAGED = {
    "store.path": "/var/lib/gemelo",
    "inference.models": "/var/lib/gemelo/models",
    "manifests.paths": ["/etc/gemelo/manifests"],
}
"""What the example for the service sets, because the service may write nowhere else."""


class Key(Struct, frozen=True):
    """One key of `gateway.toml`: its type in words, its default as TOML (empty where there is none), its meaning."""

    section: str
    name: str
    type: str
    default: str
    text: str


def keys() -> Iterator[Key]:
    """Every key, in the order of the file."""
    texts = _texts()
    for section in Config.__struct_fields__:
        struct = type(getattr(Config(), section))
        for field in structs.fields(struct):
            default = getattr(struct(), field.name)
            yield Key(section, field.name, _type(types.type_info(field.type)), toml(default), texts[struct, field.name])


def files() -> dict[Path, str]:
    """The generated files and what belongs in them."""
    return {ROOT / "docs/configuration.md": table(), ROOT / "systemd/gateway.toml": example(PACKAGED)}


def table() -> str:
    """The reference in Markdown."""
    lines = [
        "# gateway.toml",
        "",
        "An absent section or key means its default, so an empty file is a whole configuration. Relative paths",
        "count from the file's folder. `gemelo check -c gateway.toml` says what is wrong; SIGHUP reads the file again.",
        "This page is made from `gateway/sections.py` by `make docs`.",
    ]
    section = ""
    for key in keys():
        if key.section != section:
            section = key.section
            about = inspect.getdoc(type(getattr(Config(), section)))
            lines += [
                "",
                f"## [{section}]",
                "",
                f"{about}",
                "",
                "| key | type | default | meaning |",
                "|---|---|---|---|",
            ]
        default = f"`{key.default}`" if key.default else "none"
        lines.append(f"| `{key.name}` | {key.type} | {default} | {key.text} |")
    return "\n".join(lines) + "\n"


def example(values: Mapping[str, object]) -> str:
    """A whole `gateway.toml`: each key with its meaning, commented out with its default unless in `values`."""
    lines = [
        "# Gemelo's configuration. Every key is here; those behind a # stand at their default.",
        "# `gemelo check -c FILE` says what is wrong with it, and `systemctl reload gemelo` reads it again.",
    ]
    section = ""
    for key in keys():
        if key.section != section:
            section = key.section
            lines += ["", f"# {inspect.getdoc(type(getattr(Config(), section)))}", f"[{section}]"]
        lines.append(f"# {key.text}")
        given = values.get(f"{section}.{key.name}")
        lines.append(f"#{key.name} = {key.default or '…'}" if given is None else f"{key.name} = {toml(given)}")
    return "\n".join(lines) + "\n"


def toml(value: object) -> str:
    """A value as TOML; empty for `None`, which TOML cannot say."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case Path() | str():
            return msgspec.json.encode(str(value)).decode()
        case tuple() | list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            return "{ " + ", ".join(f"{name} = {toml(each)}" for name, each in value.items()) + " }" if value else "{}"
    raise TypeError(type(value))


def _texts() -> dict[tuple[type, str], str]:
    """(struct, field) → the string under the field, which Python itself does not keep."""
    found = {}
    for struct in ast.parse(inspect.getsource(sections)).body:
        if not isinstance(struct, ast.ClassDef):
            continue
        for field, text in zip(struct.body, struct.body[1:], strict=False):
            match field, text:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(words))),
                ):
                    found[getattr(sections, struct.name), name] = " ".join(words.split())
    return found


def _type(node: types.Type) -> str:
    """A type in a few words."""
    match node:
        case types.Metadata():
            return _type(node.type)
        case types.UnionType():
            return " or ".join(_type(each) for each in node.types if not isinstance(each, types.NoneType))
        case types.LiteralType():
            return " or ".join(f"`{each}`" for each in node.values)
        case types.IntType() | types.FloatType():
            name = "integer" if isinstance(node, types.IntType) else "number"
            bounds = (("≥", node.ge), (">", node.gt), ("≤", node.le), ("<", node.lt))
            return " ".join([name, *(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)])
        case types.VarTupleType():
            return f"list of {_type(node.item_type)}s"
        case types.DictType():
            return f"table of {_type(node.value_type)}s"
        case types.CustomType():
            return node.cls.__name__.lower()
    return {"StrType": "string", "BoolType": "boolean"}[type(node).__name__]


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, "utf-8")
