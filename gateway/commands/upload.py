"""`gemelo upload`: send what lies in a span of time now; or open an object that was encrypted."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.terminal import client, show
from gateway.terminal.objects import device_name, device_path
from twins.duration import microseconds
from twins.errors import Rejected, Unavailable

HELP = "send data to object storage now: gemelo upload NAME --from … --to …; or `decrypt FILE`"
_LOOK = 0.5


def arguments(parser: argparse.ArgumentParser) -> None:
    client.arguments(parser)
    show.arguments(parser)
    parser.add_argument("name", help="namespace/name of an Upload, or name in the default namespace; or `decrypt`")
    parser.add_argument("file", nargs="?", type=Path, help="decrypt: the object, as a file")
    parser.add_argument(
        "--from", dest="since", metavar="TIME", help="2026-11-21T10:00, or so long ago: 2h (default: all)"
    )
    parser.add_argument("--to", dest="until", metavar="TIME", help="the same (default: now)")
    parser.add_argument("--wait", type=float, default=60.0, metavar="SECONDS", help="for it to be done (default: 60)")
    parser.add_argument("--key", type=Path, action="append", default=[], help="decrypt: key file; may be given again")
    parser.add_argument("--to-file", type=Path, metavar="FILE", help="decrypt: what to write (default: without `.enc`)")
    parser.add_argument("--renamed", action="store_true", help="decrypt: the file's name is not the object's any more")


async def run(args: argparse.Namespace) -> int:
    """0 when all of it is there, 4 when it still goes on."""
    if args.name == "decrypt" and args.file is not None:
        return await asyncio.to_thread(_decrypt, args)
    path = device_path(args.name)
    body = {name: text for name, text in (("from", _time(args.since)), ("to", _time(args.until))) if text}
    async with client.Client(args) as api:
        before = await api.call("GET", f"/uploads/{path}")
        view = await api.call("POST", f"/uploads/{path}/run", json=body)
        deadline = time.monotonic() + args.wait
        while view["waiting"] and time.monotonic() < deadline and view["state"] != "failing":
            await asyncio.sleep(_LOOK)
            view = await api.call("GET", f"/uploads/{path}")
    sent = {name: view[name] - before[name] for name in ("objects", "rows", "bytes")}
    _tell(args, view | {"sent": sent})
    if view["state"] == "failing":
        raise Unavailable(f"{device_name(args.name)} cannot send now: {view['reason']}; it is kept, and tried again")
    return 4 if view["waiting"] else 0


def _tell(args: argparse.Namespace, view: dict[str, Any]) -> None:
    if args.output in {"json", "yaml"}:
        show.show(args, view, (), ())
        return
    sent = view["sent"]
    rest = f"; {view['pending_rows']} rows still to go" if view["waiting"] else ""
    print(f"{view['id']}: {sent['rows']} rows in {sent['objects']} objects, {sent['bytes']} bytes{rest}")


def _time(text: str | None) -> str:
    """A time or a duration ago as the API takes it. Raises `Rejected`."""
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            moment = datetime.fromtimestamp(time.time() - microseconds(text) / 1e6, UTC)
        except ValueError:
            raise Rejected(
                f"{text!r} is no time: write 2026-11-21T10:00, with +01:00 or Z, or so long ago: 2h"
            ) from None
    return moment.astimezone().isoformat()


def _decrypt(args: argparse.Namespace) -> int:
    """Write the plain text, all of it or nothing."""
    from store.uploads import envelope

    if not args.key:
        raise Rejected("decrypt needs --key FILE: the key that the upload was made with")
    keys = {envelope.key_id(key): key for key in map(envelope.read_key, args.key)}
    target = args.to_file or args.file.with_name(args.file.name.removesuffix(envelope.SUFFIX))
    if target == args.file:
        raise Rejected(f"{args.file}: say what to write: --to-file FILE")
    temporary = target.with_name(f"{target.name}.tmp")
    try:
        with args.file.open("rb") as source, temporary.open("wb") as out:
            header, plain = envelope.opened(source, keys)
            if not args.renamed:
                _check_name(args.file, header.object)
            for piece in plain:
                out.write(piece)
        temporary.rename(target)
    except Rejected as error:
        raise Rejected(f"{args.file}: {error.reason}") from None
    except OSError as error:
        raise Rejected(f"{error.filename}: {error.strerror}") from None
    finally:
        temporary.unlink(missing_ok=True)
    print(f"{target}: {header.object}", file=sys.stderr)
    return 0


def _check_name(file: Path, stored: str) -> None:
    """Raise `Rejected` for a file that has not the object's name."""
    if Path(stored).name != file.name:
        raise Rejected(f"it was stored as {stored}: under this name it may be in another's place (--renamed)")
