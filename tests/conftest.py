"""What all tests share: models and media, a picture, and a hypothesis profile for machines that others use too."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.assets import ASSETS

settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


@pytest.fixture(scope="session")
def assets() -> Path:
    """Real models and media, found through GEMELO_ASSETS; a test that needs them skips without."""
    if not (ASSETS / "models").is_dir():
        pytest.skip(f"no models and media at {ASSETS}: set GEMELO_ASSETS")
    return ASSETS


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture with something in it, so that crops differ."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (400, 300), "white")
    ImageDraw.Draw(image).ellipse((150, 80, 250, 220), fill="orange")
    path = tmp_path / "face.png"
    image.save(path)
    return path
