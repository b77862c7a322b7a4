"""`python -m benches`: each bench once, one table, one line in `history.jsonl`."""

from __future__ import annotations

import argparse
import importlib
import io
import math
import sys
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path

import msgspec

from benches.figures import Figure, conditions, number

BENCHES = {
    "size": (),
    "startup": (),
    "memory": (),
    "end_to_end": (),
    "actuator": (),
    "overload": (),
    "telemetry": (),
    "decode": (),
    "bad_input": (),
    "twins": (),
    "rules": (),
    "decisions": (),
    "timers": (),
    "streams": (),
    "turn": (),
    "answers": (),
    "journal": (),
    "scores": (),
    "forecast": ("statsmodels",),
    "tuning": ("sklearn",),
    "data": ("duckdb", "pyarrow", "sqlglot"),
    "sql": ("duckdb", "pyarrow", "sqlglot"),
    "groups": ("duckdb", "pyarrow", "sqlglot", "numpy"),
    "cloud": (),
    "offload": ("grpc",),
    "inference": ("openvino", "PIL"),
}
"""In this order; each with the libraries of an extra that it needs."""
HISTORY = Path(__file__).parent / "history.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches", description=__doc__)
    parser.add_argument("--only", choices=BENCHES, action="append", help="this one; may be given again")
    parser.add_argument("--quick", action="store_true", help="short runs: to see that it works, not to quote")
    parser.add_argument("--note", default="", help="a few words kept with the figures")
    args = parser.parse_args()
    before = conditions()
    measured = {name: _run(name, args.quick) for name in args.only or BENCHES}
    _table(before, measured, quick=args.quick)
    _keep(before, measured, args)


def _run(name: str, quick: bool) -> list[Figure]:
    """One bench. What it prints goes to standard error, so that the table stands alone."""
    missing = [library for library in BENCHES[name] if find_spec(library) is None]
    if missing:
        print(f"{name} is left out: {', '.join(missing)} is not installed", file=sys.stderr)
        return []
    print(f"{name} …", file=sys.stderr, flush=True)
    said = io.StringIO()
    with redirect_stdout(said):
        figures: list[Figure] = importlib.import_module(f"benches.{name}").main(quick)
    for line in said.getvalue().splitlines():
        if line and not line.startswith(" "):
            print(f"  {line}", file=sys.stderr)
    return figures


def _table(before: dict[str, str], measured: dict[str, list[Figure]], *, quick: bool) -> None:
    print("\n" + " · ".join(f"{name} {value}" for name, value in before.items()))
    if quick:
        print("quick: short runs, to see that it works")
    print(f"\n{'figure':76}{'value':>12} {'unit':10}target")
    for name, figures in measured.items():
        for figure in figures:
            label = figure.name if figure.name.startswith(name) else f"{name}: {figure.name}"
            print(f"{label:76}{number(figure.value):>12} {figure.unit:10}{figure.target}".rstrip())


def _keep(before: dict[str, str], measured: dict[str, list[Figure]], args: argparse.Namespace) -> None:
    figures = {
        name: {f.name: None if math.isnan(f.value) else float(f"{f.value:.4g}") for f in found}
        for name, found in measured.items()
        if found
    }
    line = {"quick": args.quick, "note": args.note, "conditions": before, "figures": figures}
    with HISTORY.open("ab") as history:
        history.write(msgspec.json.encode(line) + b"\n")


if __name__ == "__main__":
    main()
