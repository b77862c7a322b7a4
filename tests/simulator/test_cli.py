"""The simulator on the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gateway.manifests.documents import documents_of

ROOT = Path(__file__).parents[2]


def test_the_manifests_of_a_fleet_are_what_gemelo_apply_takes() -> None:
    words = [sys.executable, "-m", "simulator", "fleet", "--manifests", "--devices", "3"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, check=True, timeout=60)
    kinds = [manifest["kind"] for _, manifest in documents_of(done.stdout)]  # type: ignore[index]
    assert kinds.count("Device") == 3
    assert "DeviceModel" in kinds
