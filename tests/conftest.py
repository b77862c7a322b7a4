"""What all tests share: the assets folder, and a hypothesis profile for machines that others use too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def assets() -> Path:
    """Real models and media, found through GEMELO_ASSETS; a test that needs them skips without."""
    path = Path(os.environ.get("GEMELO_ASSETS", ROOT.parent / "shared"))
    if not (path / "models").is_dir():
        pytest.skip(f"no models and media at {path}: set GEMELO_ASSETS")
    return path
