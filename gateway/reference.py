"""The references of configuration and command line: the tables for people and the commented example file.

`python -m gateway.reference` (`make docs`) writes them; a test keeps them true.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct, structs
from msgspec import inspect as types

from gateway import cli
from gateway.config import Config
from gateway.fields import texts

ROOT = Path(__file__).parents[1]
PACKAGED = {
    "store.path": "/var/lib/gemelo",
    "inference.models": "/var/lib/gemelo/models",
    "manifests.paths": ["/etc/gemelo/manifests"],
}
"""What the example for the service sets, because the service may write nowhere else."""

COMMANDS = """
# Commands

Commands speak to `http://127.0.0.1:8080`, to `--url` or `GEMELO_URL`, or with `-c gateway.toml` to the gateway of that
file, with its token and certificate; else `GEMELO_TOKEN` is the token. A name is `namespace/name`, or `name` in the
namespace `default` (where there is `-n`, in that one).

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | what was asked did not work out; one line on standard error says what, why, and how to mend it |
| 2 | the words were wrong |
| 3 | nobody answers: no gateway, no network |
| 4 | what was waited for did not come in time |
| 130 | Ctrl-C |

Tables are for people: on a terminal they fit its width, in a pipe each row is one whole line, without colour. What a
device sent is shown as text; what would steer the terminal is replaced. `gemelo get` with `-o json` or `-o yaml` prints
manifests that `gemelo apply -f -` takes again: one object when one is named, else a `List`. How manifests are checked
is told in [manifests](manifests.md). This page is made from the commands themselves by `make docs`.
"""


class Key(Struct, frozen=True):
    """One key of `gateway.toml`: its type in words, its default as TOML (empty where there is none), its meaning."""

    section: str
    name: str
    type: str
    default: str
    text: str


def keys() -> Iterator[Key]:
    """Every key, in the order of the file."""
    for section in Config.__struct_fields__:
        struct = type(getattr(Config(), section))
        said = texts(struct)
        for field in structs.fields(struct):
            default = getattr(struct(), field.name)
            yield Key(section, field.name, _type(types.type_info(field.type)), toml(default), said[field.name])


def files() -> dict[Path, str]:
    """The generated files and what belongs in them."""
    return {
        ROOT / "docs/configuration.md": table(),
        ROOT / "docs/commands.md": commands(),
        ROOT / "systemd/gateway.toml": example(PACKAGED),
    }


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


def commands() -> str:
    """The reference of the command line in Markdown."""
    lines = [COMMANDS.strip()]
    for name in cli.COMMANDS:
        module = cli.command_of(name)
        words = argparse.ArgumentParser(add_help=False)
        module.arguments(words)
        lines += ["", f"## {name}", "", f"{module.HELP[:1].upper()}{module.HELP[1:]}.", ""]
        rows = list(_words(words))
        lines += ["| | |", "|---|---|", *rows] if rows else []
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


def _words(parser: argparse.ArgumentParser) -> Iterator[str]:
    """A row for each word and option of a command; of one with further commands, for each of these."""
    speaks = any(action.dest == "url" for action in parser._actions)  # argparse has no public way to ask
    for action in parser._actions:
        if speaks and action.dest in {"url", "config"}:
            continue  # told once for all
        shown = " ".join(action.metavar) if isinstance(action.metavar, tuple) else action.metavar
        if isinstance(action, argparse._SubParsersAction):
            for each in action._choices_actions:
                yield f"| `{each.dest}` | {each.help or ''} |"
        elif action.option_strings:
            value = "" if action.nargs == 0 else f" {shown or '|'.join(action.choices or [action.dest.upper()])}"
            yield f"| {', '.join(f'`{o}`' for o in action.option_strings)}{_code(value)} | {action.help or ''} |"
        else:
            yield f"| `{shown or action.dest.upper()}` | {action.help or ''} |"


def _code(value: str) -> str:
    """A value behind an option; bars would end the cell of a table."""
    return f" `{value.strip()}`".replace("|", "\\|") if value else ""


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
