"""`gemelo`: finds the subcommand, runs it, and turns errors into one line with a way out."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import io
import keyword
import os
import re
import sys
from collections.abc import Sequence
from types import ModuleType

from gateway.interpreter import tune
from gateway.terminal.show import plain
from gateway.wiring import product_version
from twins.errors import Rejected, Unavailable

COMMANDS = (
    *("demo", "run", "check", "doctor", "apply", "get", "describe", "set", "delete", "explain", "device", "sql"),
    *("events", "tail", "import", "model", "mapper", "mapping", "cloud", "upload", "learn", "node", "alarm", "rule"),
    "why",
)


class Words(argparse.ArgumentParser):
    """Options may stand between words, `gemelo get devices -o yaml pump-1`, and a length of time may have its sign,
    `--from -1h`.
    """

    _mixing = False

    def parse_known_args(  # type: ignore[override]  # one signature for argparse's three overloads
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        args = _joined(sys.argv[1:] if args is None else args)
        if self._mixing or self._subparsers is not None:  # what has subcommands can't be mixed
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False


def parser(wanted: str | None = None) -> argparse.ArgumentParser:
    """What may be typed; of one command alone where it is known: it need not load the others' libraries."""
    whole = argparse.ArgumentParser(prog="gemelo", description="An edge gateway with device twins.")
    whole.add_argument("--version", action="version", version=f"gemelo {product_version()}")
    chosen = whole.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Words)
    for name in (wanted,) if wanted in COMMANDS else COMMANDS:
        command = command_of(name)
        sub = chosen.add_parser(name, help=command.HELP, description=command.HELP)
        command.arguments(sub)
        sub.set_defaults(run=command.run)
    return whole


def command_of(name: str) -> ModuleType:
    """The module of a command; where the name is a word of Python's, it ends in an underscore."""
    return importlib.import_module(f"gateway.commands.{name}{'_' * keyword.iskeyword(name)}")


def main() -> None:
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # we fork only to exec; gRPC need not hear of it
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without UTF-8 is no reason to fail
    args = parser(next((a for a in sys.argv[1:] if not a.startswith("-")), None)).parse_args()
    try:
        code = _loop(args)
        sys.stdout.flush()
        if args.command == "run":
            os._exit(
                code
            )  # all is on disk and closed; some extension modules grumble when the interpreter is taken down
        sys.exit(code)
    except (Rejected, Unavailable) as error:
        print(f"gemelo: {_safe(str(error))}", file=sys.stderr)
        sys.exit(1 if isinstance(error, Rejected) else 3)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)


def _joined(words: Sequence[str]) -> list[str]:
    """An option and its value as one word where the value begins as an option would, and a number follows."""
    joined: list[str] = []
    for word in words:
        if joined and re.match(r"-\d", word) and re.fullmatch(r"--[a-z-]+", joined[-1]):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _safe(text: str) -> str:
    """An error may hold what a file or a device said."""
    return "\n".join(map(plain, text.splitlines()))


def _loop(args: argparse.Namespace) -> int:
    if args.command in {"run", "demo", "mapper"}:
        import uvloop

        tune()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return int(runner.run(args.run(args)))
    return int(asyncio.run(args.run(args)))


if __name__ == "__main__":
    main()
