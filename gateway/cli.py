"""`gemelo`: finds the subcommand, runs it, and turns errors into one line with a way out."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import sys

from gateway.interpreter import tune
from gateway.wiring import product_version
from twins.errors import Rejected, Unavailable

COMMANDS = (
    *("demo", "run", "check", "apply", "get", "describe", "set", "delete", "device", "sql", "events", "tail", "model"),
    *("mapper", "mapping"),
)


def parser(wanted: str | None = None) -> argparse.ArgumentParser:
    """What may be typed; of one command alone where it is known: it need not load the others' libraries."""
    whole = argparse.ArgumentParser(prog="gemelo", description="An edge gateway with device twins.")
    whole.add_argument("--version", action="version", version=f"gemelo {product_version()}")
    chosen = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in (wanted,) if wanted in COMMANDS else COMMANDS:
        command = importlib.import_module(f"gateway.commands.{name}")
        sub = chosen.add_parser(name, help=command.HELP, description=command.HELP)
        command.arguments(sub)
        sub.set_defaults(run=command.run)
    return whole


def main() -> None:
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # we fork only to exec; gRPC need not hear of it
    args = parser(next((a for a in sys.argv[1:] if not a.startswith("-")), None)).parse_args()
    try:
        code = _loop(args)
        sys.stdout.flush()
        if args.command == "run":
            os._exit(
                code
            )  # all is on disk and closed; some extension modules grumble when the interpreter is taken down
        sys.exit(code)
    except Rejected as error:
        print(f"gemelo: {error}", file=sys.stderr)
        sys.exit(1)
    except Unavailable as error:
        print(f"gemelo: {error}", file=sys.stderr)
        sys.exit(3)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)


def _loop(args: argparse.Namespace) -> int:
    if args.command in {"run", "demo", "mapper"}:
        import uvloop

        tune()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return int(runner.run(args.run(args)))
    return int(asyncio.run(args.run(args)))


if __name__ == "__main__":
    main()
