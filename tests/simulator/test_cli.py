"""The simulator on the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.manifests.documents import documents_of
from simulator.kinds import roster

ROOT = Path(__file__).parents[2]


def test_the_manifests_of_a_fleet_are_what_gemelo_apply_takes() -> None:
    words = [sys.executable, "-m", "simulator", "fleet", "--manifests", "--devices", "5"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, check=True, timeout=60)
    kinds = [manifest["kind"] for _, manifest in documents_of(done.stdout)]  # type: ignore[index]
    assert (kinds.count("Device"), "DeviceModel" in kinds) == (5, True)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 20, 100])
def test_a_fleet_has_as_many_devices_as_were_asked_for_and_a_thermometer_among_them(count: int) -> None:
    names = [name for name, _ in roster(count)]
    assert (len(names), len(set(names)), names[0]) == (count, count, "thermometer-1")
