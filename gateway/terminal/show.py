"""How the command line prints objects: a table for people, JSON or YAML for programs.

A terminal gets lines that fit it; a pipe gets one whole line a row, for grep and awk. What a device sent is shown as
text: markup in it means nothing, and what would steer the terminal is replaced.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from typing import Any
from unicodedata import combining, east_asian_width

import yaml

FORMS = ("table", "wide", "json", "yaml")
_UNSAFE = re.compile(r"[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What JSON would leave as it is and a terminal would not: further control characters, and those that turn text."""


def arguments(parser: argparse.ArgumentParser, *more: str) -> None:
    """`-o` with the usual forms, and with more."""
    parser.add_argument("-o", "--output", choices=FORMS + more, default="table", help="form (default table)")


def show(args: argparse.Namespace, objects: Any, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print `objects` as JSON or YAML, or `rows` under `columns` as a table."""
    if args.output in {"json", "yaml"}:
        print(text_of(objects, args.output), end="")
    else:
        table(columns, rows, fitted=args.output != "wide")


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, fitted: bool = True) -> list[int]:
    """Print rows under their heads, on a terminal so that they fit it; returns the widths of the columns."""
    heads = [column.upper() for column in columns]
    cells = [_cells(row) for row in rows]
    if fitted and sys.stdout.isatty():
        _fit(heads, cells)
        return [0] * len(heads)
    return _align([heads, *cells])


def line(row: Sequence[Any], widths: Sequence[int]) -> list[int]:
    """Print one more row of a table; returns the widths, grown where it needs more."""
    cells = _cells(row)
    widths = [max(width, _width(cell)) for width, cell in zip(widths, cells, strict=True)]
    print("  ".join(_padded(cell, width) for cell, width in zip(cells, widths, strict=True)).rstrip(), flush=True)
    return list(widths)


def text_of(objects: Any, form: str, *, indent: int | None = 2) -> str:
    """Objects as JSON or YAML, with an end of line; what would steer a terminal is escaped."""
    if form == "yaml":
        text = yaml.safe_dump(objects, sort_keys=False, allow_unicode=True)
        return yaml.safe_dump(objects, sort_keys=False) if _UNSAFE.search(text) else text
    text = json.dumps(objects, indent=indent, ensure_ascii=False)
    return _UNSAFE.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text) + "\n"


def plain(text: str) -> str:
    """The text without anything that would steer a terminal."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def _cells(row: Sequence[Any]) -> list[str]:
    return ["" if cell is None else plain(str(cell)) for cell in row]


def _align(lines: Sequence[Sequence[str]]) -> list[int]:
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    for cells in lines:
        line(cells, widths)
    return widths


def _width(text: str) -> int:
    """Columns that a text takes: signs of East Asia take two, accents that stand apart none."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(sign) else 2 if east_asian_width(sign) in "WF" else 1 for sign in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _fit(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="" if os.environ.get("NO_COLOR") else "bold")
    for head in heads:
        table.add_column(Text(head), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)
