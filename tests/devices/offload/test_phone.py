"""The simulated phone against a real door on loopback; what is behind the door are doubles."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from simulator.phone.handset import Handset
from simulator.phone.options import PhoneOptions
from tests.devices.offload.conftest import Opens
from tests.devices.offload.doubles import Light, MemoryIntake
from twins.stimuli import Inferred, Updated

ROOT = Path(__file__).parents[3]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_its_record_agrees_with_what_was_stored(
    opens: Opens, intake: MemoryIntake, picture: Path, tmp_path: Path
) -> None:
    record = tmp_path / "record.jsonl"
    async with opens() as door:
        report = await Handset(PhoneOptions(door.address, (str(picture),), fps=60, duration=1.0, record=record)).run()
        assert door.answered == {"OK": report.sent}
    sent = [line["seq"] for line in lines(record) if line["event"] == "sent"]
    results = [line["seq"] for line in lines(record) if line["event"] == "result" and line["status"] == "OK"]
    stored = [stimulus.seq for stimulus in intake.stored if isinstance(stimulus, Inferred)]
    assert sent == results == stored
    assert report.captured == report.sent + report.skipped
    assert (report.answered, report.lost) == (report.sent, 0)
    assert report.sent > 10


async def test_it_skips_when_the_gateway_is_slow_and_never_lags(opens: Opens, light: Light, picture: Path) -> None:
    light.seconds = 0.06
    async with opens() as door:
        report = await Handset(PhoneOptions(door.address, (str(picture),), fps=60, duration=1.5)).run()
    assert report.skipped > report.sent, "60 pictures a second, and 16 looks"
    assert sorted(report.rtt_us)[int(len(report.rtt_us) * 0.95)] < 200_000
    assert report.captured == report.sent + report.skipped
    assert report.sent == report.answered == report.statuses["OK"]


async def test_it_comes_back_and_accounts_for_every_frame(
    opens: Opens, intake: MemoryIntake, light: Light, picture: Path, tmp_path: Path
) -> None:
    """The door closes in the middle of a stream and opens again at the same address."""
    record = tmp_path / "record.jsonl"
    async with asyncio.TaskGroup() as group:
        async with opens() as door:
            address = door.address
            handset = Handset(PhoneOptions(address, (str(picture),), fps=50, record=record))
            running = group.create_task(handset.run())
            await intake.until(lambda: handset.report.answered > 5)
            light.gate.clear()
            await light.stuck.wait()
        light.gate.set()
        async with opens(listen=address) as door:
            before = handset.report.answered
            await intake.until(lambda: handset.report.answered > before + 5)
            handset.stop()
            report = await running
    assert report.connects == 2
    assert report.sent == report.answered + report.lost
    assert 1 <= report.lost <= 2, "what was under way when the door closed, and not more"
    events = Counter(line["event"] for line in lines(record))
    assert (events["sent"], events["result"], events["lost"]) == (report.sent, report.answered, report.lost)


async def test_it_does_what_is_asked_and_says_so(opens: Opens, intake: MemoryIntake, picture: Path) -> None:
    async with opens() as door, asyncio.TaskGroup() as group:
        await door.actuate("default/phone-1", {"jpeg_quality": "30", "fps_cap": "-1", "colour": "blue"})
        handset = Handset(PhoneOptions(door.address, (str(picture),), fps=30))
        running = group.create_task(handset.run())
        await intake.until(lambda: "jpeg_quality" in reported(intake))
        handset.stop()
        await running
    assert reported(intake)["jpeg_quality"] == "30"
    assert "fps_cap" not in reported(intake)


def reported(intake: MemoryIntake) -> dict[str, str | None]:
    updates = [stimulus for stimulus in intake.stored if isinstance(stimulus, Updated)]
    return {name: edit.reported for update in updates for name, edit in update.edits.items() if edit is not None}


async def test_a_phone_that_is_not_let_in_ends_and_says_why(opens: Opens, picture: Path) -> None:
    async with opens(tokens={"phone-1": hashlib.sha256(b"secret").hexdigest()}) as door:
        refused = await Handset(PhoneOptions(door.address, (str(picture),), token="wrong", duration=5)).run()
        assert refused.refused.startswith("UNAUTHENTICATED: no valid token")
        welcome = await Handset(PhoneOptions(door.address, (str(picture),), token="secret", duration=0.3)).run()
        assert (welcome.refused, welcome.connects) == ("", 1)


async def test_sigterm_ends_it_in_order(opens: Opens, intake: MemoryIntake, picture: Path, tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    code = (
        "import argparse, asyncio, sys; from simulator import phone; p = argparse.ArgumentParser();"
        "phone.arguments(p); sys.exit(asyncio.run(phone.run(p.parse_args())))"
    )
    async with opens() as door:
        process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-c",
                code,
                "--address",
                door.address,
                "--pictures",
                str(picture),
                "--record",
                str(record),
            ),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            await intake.until(lambda: door.answered["OK"] > 3)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(20):
                out, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert process.returncode == 0
    assert b" 0 lost; round trip p50 " in out
    events = Counter(line["event"] for line in lines(record))
    assert events["sent"] == events["result"] > 3
