"""How the command line prints objects: a table for people, JSON or YAML for programs.

A terminal gets lines that fit it; a pipe gets one whole line a row, for grep and awk. What a device sent is shown as
text: markup in it means nothing, and what would steer the terminal is replaced.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import yaml


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=("table", "wide", "json", "yaml"), default="table", help="form")


def show(args: argparse.Namespace, objects: Any, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print `objects` as JSON or YAML, or `rows` under `columns` as a table."""
    if args.output == "json":
        print(json.dumps(objects, indent=2, ensure_ascii=False))
        return
    if args.output == "yaml":
        print(yaml.safe_dump(objects, sort_keys=False, allow_unicode=True), end="")
        return
    heads = [column.upper() for column in columns]
    cells = [["" if cell is None else plain(str(cell)) for cell in row] for row in rows]
    if sys.stdout.isatty() and args.output != "wide":
        _fit(heads, cells)
    else:
        _align([heads, *cells])


def plain(text: str) -> str:
    """The text without anything that would steer a terminal."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def _align(lines: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


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
