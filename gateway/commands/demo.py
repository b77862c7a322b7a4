"""`gemelo demo`: the whole thing in one terminal."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from gateway.demo.plan import Plan, choose_ports
from gateway.demo.show import Fault, Show
from runtime.clock import SystemClock
from simulator.duration import seconds
from twins.errors import Unavailable

HELP = "broker, gateway, 20 devices, a camera, a phone, a stand-in cloud and the page, in one terminal"
MEDIA = ("bikes.mp4", "astronaut.png")
SIGNALS = (signal.SIGINT, signal.SIGTERM)
MODELS = ("person-ssdlite", "face-yunet", "emotion-mini-xception")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--for", dest="duration", type=seconds, help="end after this time (default: Ctrl-C)")
    parser.add_argument(
        "--ledger", type=Path, metavar="FILE.json", help="at the end, count what was sent, kept and lost"
    )
    parser.add_argument("--devices", type=int, default=20, help="how many simulated devices (default 20)")
    parser.add_argument("--keep", action="store_true", help="keep the demo's data")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        type=fault,
        metavar="WHAT:AT[:FOR]",
        help="break something: cloud:15s:20s (cut at 15 s for 20 s) or broker:40s (killed at 40 s)",
    )
    parser.add_argument("--models", type=Path, help="folder of models and media (default: in your cache folder)")


def fault(text: str) -> Fault:
    """`cloud:15s:20s` or `broker:40s`."""
    target, _, rest = text.partition(":")
    at, _, length = rest.partition(":")
    if target not in {"cloud", "broker"} or not at:
        reason = f"{text!r}: write cloud:15s:20s (cut at 15 s for 20 s) or broker:40s (killed at 40 s)"
        raise argparse.ArgumentTypeError(reason)
    return Fault(target, seconds(at), seconds(length) if length else 20.0)


async def run(args: argparse.Namespace) -> int:
    """0 when all went well; 1 when a part failed or the ledger is not sound; 130 for Ctrl-C before it ran."""
    say("gemelo demo")
    models = (args.models or _cache()).absolute()
    assets = await _assets(models)
    with ExitStack() as claims:
        ports = choose_ports(claims)
        folder = Path(tempfile.mkdtemp(prefix="gemelo-demo-"))
        (folder / "cloud").mkdir()
        video, face = assets.get("bikes.mp4"), assets.get("astronaut.png")
        return await _perform(args, Plan(folder, ports, args.devices, video, face, models))


async def _perform(args: argparse.Namespace, plan: Plan) -> int:
    folder = plan.folder
    show = Show(plan, SystemClock(), say)
    ended = asyncio.Event()
    _listen(asyncio.current_task(), show, ended)
    code = 1
    try:
        code = await _play(args, plan, show, ended)
    except Unavailable as error:
        say(f"  ✗ {error}")
        say(f"    the logs are in {folder}")
        args.keep = True
    except asyncio.CancelledError:
        code = 130
    finally:
        for number in SIGNALS:  # the rest is quick, and half an end would leave something behind
            asyncio.get_running_loop().add_signal_handler(number, lambda: None)
        await show.stop()
        if args.keep:
            say(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
            say("ended; the demo's data is removed")
    return code


async def _play(args: argparse.Namespace, plan: Plan, show: Show, ended: asyncio.Event) -> int:
    first = await show.start()
    say(f"\n  page          {plan.page}        first value after {first:.1f} s\n")
    await show.describe()
    _hints(plan)
    await show.run(args.duration, args.fault, ended)
    return 0 if args.ledger is None else await _ledger(args, plan, show)


def _listen(task: asyncio.Task[int] | None, show: Show, ended: asyncio.Event) -> None:
    """Ctrl-C ends a show that runs in order (the ledger is still written), and anything else at once."""

    def interrupted() -> None:
        if show.running and not ended.is_set():
            ended.set()
        elif task is not None:
            task.cancel()

    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, interrupted)


def say(line: str) -> None:
    print(line, flush=True)


async def _assets(folder: Path) -> dict[str, Path]:
    """Models and media, fetched once; what can't be had is said and left out."""
    from inference.depot import Depot

    depot = Depot(folder)
    found: dict[str, Path] = {}

    async def fetch(name: str) -> None:
        try:
            found[name] = depot.find(name) or await depot.pull(name, lambda line: say(f"    {line}"))
        except Unavailable as error:
            say(f"  - {name}: {error}; the demo goes on without it")

    async with asyncio.TaskGroup() as group:
        for name in (*MODELS, *MEDIA):
            group.create_task(fetch(name), name=f"fetch {name}")
    return found


def _hints(plan: Plan) -> None:
    gemelo, sim = _program("gemelo"), _program("gemelo-sim")
    api = "" if plan.ports.cloud_api == 10003 else f" --api {plan.cloud_api}"
    url = "" if plan.ports.page == 8080 else f" --url {plan.page}"
    say("\n  Try:")
    say(f"    {sim} fault cloud --for 30s{api}      the page turns amber, nothing is lost")
    query = "select device, avg(value) from points where property = 'temperature' group by 1"
    say(f'    {gemelo} sql "{query}"{url}')
    say(f"    {gemelo} set pump-1 speed=60{url}      and watch it on the page")
    say("\n  Ctrl-C ends everything and removes the demo's data (--keep keeps it).\n")


def _program(name: str) -> str:
    """How another terminal calls it: by name, or by its path when the virtual environment is not active."""
    beside = Path(sys.executable).with_name(name)
    return os.path.relpath(beside) if shutil.which(name) is None and beside.exists() else name


async def _ledger(args: argparse.Namespace, plan: Plan, show: Show) -> int:
    settled = await show.settle()
    command = [sys.executable, "-m", "simulator", "ledger", "--url", plan.page, "--out", str(args.ledger)]
    command += ["--cloud", str(plan.folder / "cloud"), "--cloud-api", plan.cloud_api]
    command += ["--fleet", str(plan.records["fleet"])]
    if show.phone is not None:
        command += ["--phone", str(plan.records["phone"])]
    if show.broker_killed:
        command.append("--broker-killed")
    process = await asyncio.create_subprocess_exec(*command)
    code = await process.wait()
    if not settled:
        say("  ! the cloud had not confirmed everything in time")
    if args.ledger.exists():
        counts = json.loads(args.ledger.read_text("utf-8"))
        say("  " + "  ".join(f"{name} {counts[name]}" for name in ("offered", "accepted", "stored", "lost", "doubled")))
    return code


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gemelo" / "models"
