"""The stand-in's options, with short times."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.cloudcore.options import Options
from tests.cloud.stage import NODE


@pytest.fixture
def options(tmp_path: Path) -> Options:
    data = tmp_path / "cloud"
    data.mkdir()
    return Options(data=data, https=0, ws=0, api=0, nodes=(NODE,), resend=0.3, sync=0.2)
