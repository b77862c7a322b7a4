"""`gemelo model`: the models this gateway can fetch and has."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gateway.config import load, parse
from gateway.terminal import show

HELP = "list and fetch models"
BRIEF = ["name", "kind", "version", "state", "licence"]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--config", type=Path, help="gateway.toml that names the folder of models")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="what there is and what is here")
    show.arguments(listing)
    pull = verbs.add_parser("pull", help="fetch models; without a name, the default set")
    pull.add_argument("names", nargs="*")


async def run(args: argparse.Namespace) -> int:
    from inference.depot import Depot

    config = load(args.config) if args.config else parse("", where="defaults", folder=Path.cwd())
    depot = Depot(config.inference.models)
    if args.verb == "list":
        rows = depot.rows()
        objects: list[dict[str, Any]] = [{name: getattr(row, name) for name in row.__struct_fields__} for row in rows]
        columns = list(rows[0].__struct_fields__) if args.output == "wide" and rows else BRIEF
        show.show(args, objects, columns, [[o[name] for name in columns] for o in objects])
        return 0
    names = args.names or [entry.name for entry in depot.catalogue.entries if entry.default]
    for name in names:
        path = await depot.pull(name, print)
        print(f"{name}: {path}")
    return 0
