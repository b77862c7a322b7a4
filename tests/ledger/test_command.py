"""The oracle as a whole: a record, a store that answers in SQL, a cloud; and that it knows nothing of the product."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.ledger import command
from simulator.ledger.balance import Balance, weigh_points
from simulator.ledger.claims import Claims
from tests.ledger.conftest import Told

START = 1_760_000_000_000
ROOT = Path(__file__).resolve().parents[2]


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.arguments(parser)
    return parser.parse_args(list(words))


async def test_a_sound_run_is_written_and_ends_with_0(shelf, serve, told, tmp_path):
    for number in range(3):
        told.offer({"flow": f"{number}.5"}, at=START + number, fate="accepted")
        shelf.point("default/pump-1", "flow", START + number, number + 0.5)
    shelf.statuses["default/pump-1", "flow"] = "2.5"
    (tmp_path / "received.jsonl").touch()
    out = tmp_path / "ledger.json"
    async with serve():
        words = ("--url", shelf.url, "--cloud-api", shelf.url, "--fleet", str(told.path), "--cloud", str(tmp_path))
        assert await command.run(parsed(*words, "--out", str(out))) == 0
    counts = json.loads(out.read_text())
    assert (counts["offered"], counts["stored"], counts["sound"]) == (3, 3, True)


async def test_what_is_lost_missing_in_the_cloud_or_decided_twice_ends_with_1(shelf, serve, told, tmp_path, capsys):
    told.offer({"flow": "1"}, at=START, fate="accepted")
    for _ in range(2):
        shelf.event("alert", "overheat", "hot", "mqtt:1:1")
    shelf.statuses["default/pump-1", "flow"] = "0"
    async with serve():
        words = ("--url", shelf.url, "--cloud-api", shelf.url, "--fleet", str(told.path), "--cloud", str(tmp_path))
        assert await command.run(parsed(*words)) == 1
    counts = json.loads(capsys.readouterr().out)
    assert [counts[name] for name in ("lost", "cloud_lacks", "decided", "doubled")] == [1, 1, 2, 1]


async def test_a_store_that_does_not_answer_ends_with_2_and_one_line(told, capsys):
    told.offer({"flow": "1"}, fate="accepted")
    assert await command.run(parsed("--url", "http://127.0.0.1:9", "--fleet", str(told.path))) == 2
    said = capsys.readouterr().err
    assert "nothing is weighed" in said
    assert said.count("\n") == 1


def test_the_oracle_loads_nothing_of_the_product():
    code = (
        "import sys, simulator.ledger, simulator.ledger.balance, simulator.ledger.evidence\n"
        "ours = {'gateway', 'twins', 'devices', 'rules', 'inference', 'store', 'cloud', 'web', 'runtime'}\n"
        "print(sorted(ours & {name.partition('.')[0] for name in sys.modules}))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    assert told.stdout.strip() == "[]"


FATES = ("accepted", "rejected", "handed", "")
FAULTS = ("none", "none", "missing", "twice", "other")


@settings(max_examples=150)
@given(
    drawn=st.lists(
        st.tuples(st.sampled_from(FATES), st.sampled_from(FAULTS), st.integers(0, 2), st.integers(-99, 99)), max_size=60
    ),
    strays=st.integers(0, 3),
    killed=st.booleans(),
)
def test_faults_that_are_put_into_a_run_are_counted_exactly(drawn, strays, killed, tmp_path_factory):
    told = Told(tmp_path_factory.mktemp("run") / "fleet.jsonl")
    expected = Balance()
    count: dict[tuple[str, str, int], int] = {}
    value: dict[tuple[str, str, int], float] = {}
    for number, (fate, fault, device, said) in enumerate(drawn):
        key = (f"default/d-{device}", "t", START + number)
        told.offer({"t": str(said)}, device=key[0], at=key[2], fate=fate, kind="telemetry" if fate == "handed" else "")
        refused, there = fate == "rejected", fault != "missing"
        if refused and fault == "none":
            there = False
        if there:
            count[key] = 2 if fault == "twice" else 1
            value[key] = said + (0.5 if fault == "other" else 0.0)
        excused = fate == "" or (fate == "handed" and killed and not there)
        expected.offered += 1
        expected.rejected += refused
        expected.unconfirmed += excused
        expected.accepted += not refused and not excused
        expected.lost += not refused and not excused and not there
        expected.stored += not refused and there
        expected.strange += refused and there
        expected.doubled += not refused and fault == "twice"
        expected.wrong += not refused and fault == "other"
    devices = {f"default/d-{device}" for _, _, device, _ in drawn}
    for number in range(strays if "default/d-0" in devices else 0):
        count["default/d-0", "t", START - 1 - number] = 1
        expected.strange += 1
    found = Balance()
    weigh_points(found, Claims.read(told.path), Counter(count), value, broker_killed=killed)
    found.examples.clear()
    assert found == expected
    assert found.offered == found.accepted + found.rejected + found.unconfirmed
