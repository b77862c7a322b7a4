"""`gemelo rule`: look at a rule, test it, and try it on what is stored: all in the command's own process."""

from __future__ import annotations

import argparse
from importlib import import_module

HELP = "look at rules, try them before they are trusted, bring them from elsewhere: lint, test, replay, diagram, import"
VERBS = {"lint": "linting", "test": "testing", "replay": "replay", "diagram": "diagram", "import": "importing"}
"""The module of each verb, in this package."""


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, place in VERBS.items():
        verb = import_module(f"{__name__}.{place}")
        words = verbs.add_parser(name, help=verb.HELP, description=verb.HELP)
        verb.arguments(words)
        words.set_defaults(verb_run=verb.run)


async def run(args: argparse.Namespace) -> int:
    return int(await args.verb_run(args))
