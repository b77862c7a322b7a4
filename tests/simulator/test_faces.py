"""Crops of pictures, as a phone's camera would give them."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import pytest
from PIL import Image

from simulator import phone
from simulator.phone.faces import Faces


async def test_without_pictures_it_says_what_to_give(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    phone.arguments(parser)
    assert await phone.run(parser.parse_args(["--pictures", str(tmp_path)])) == 2
    assert "no pictures: give files" in capsys.readouterr().err


def test_crops_are_real_jpegs_of_the_place_asked_and_all_differ(picture: Path) -> None:
    faces = Faces([f"{picture}@0.375,0.27,0.25,0.47"], side=128, seed=1)
    crops = [faces.cut() for _ in range(20)]
    assert len({crop.data for crop in crops}) == 20
    for crop in crops:
        image = Image.open(io.BytesIO(crop.data))
        assert (image.format, image.size, max(image.size)) == ("JPEG", (crop.width, crop.height), 128)
        red, _, blue = image.getpixel((crop.width // 2, crop.height // 2))  # type: ignore[misc]
        assert red > 200 > 80 > blue, "the orange middle"
        assert len(crop.data) < 4096


def test_a_place_outside_all_sense_is_refused(picture: Path) -> None:
    with pytest.raises(ValueError, match="FILE@X,Y,W,H"):
        Faces([f"{picture}@0.1,0.2"])
