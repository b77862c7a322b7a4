"""How the command line prints objects: a table for people, JSON or YAML for programs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table


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
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.upper(), overflow="fold", no_wrap=False)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    console = Console(soft_wrap=not _terminal())
    console.print(table)


def _terminal() -> bool:
    return Console().is_terminal
