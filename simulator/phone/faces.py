"""Face crops as a phone's camera would give them: the same picture is never sent twice.

Each crop is cut anew from a real picture with random place, size and tilt, scaled, and encoded as JPEG.
"""

from __future__ import annotations

import io
import math
import random
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageOps

SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
SHIFT, ZOOM, TILT = 0.04, 0.15, 8.0
"""The most a crop is moved (in parts of its region), widened (the same), and turned (degrees)."""

Region = tuple[float, float, float, float]


class Crop(NamedTuple):
    """A JPEG without metadata, its size in pixels, and the picture it was cut from."""

    data: bytes
    width: int
    height: int
    picture: str


class Faces:
    """Crops of `pictures`: files, folders, or `FILE@X,Y,W,H` with the face's place in parts of the picture.

    `side` is the longer side of a crop in pixels. Raises `ValueError` when there is no picture or one cannot be read.
    """

    def __init__(self, pictures: Iterable[str], side: int = 224, seed: int | None = None) -> None:
        self._random = random.Random(seed)
        self._side = side
        self._sources = [self._load(path, region) for text in pictures for path, region in _found(text)]
        if not self._sources:
            msg = "no pictures: give files that end in .jpg, .jpeg or .png, or folders that hold some"
            raise ValueError(msg)
        self._turn = 0

    def cut(self, quality: int = 80) -> Crop:
        """The next crop, of each picture in turn."""
        name, picture, (x, y, w, h) = self._sources[self._turn % len(self._sources)]
        self._turn += 1
        draw = self._random.uniform
        zoom = 1.0 + draw(0.0, ZOOM)
        centre = (x + w / 2 + draw(-SHIFT, SHIFT) * w, y + h / 2 + draw(-SHIFT, SHIFT) * h)
        scale = self._side / (max(w, h) * zoom)
        width, height = max(1, round(w * zoom * scale)), max(1, round(h * zoom * scale))
        crop = picture.transform(
            (width, height),
            Image.Transform.AFFINE,
            _affine(centre, 1 / scale, math.radians(draw(-TILT, TILT)), (width, height)),
            Image.Resampling.BILINEAR,
        )
        out = io.BytesIO()
        crop.save(out, "JPEG", quality=quality)
        return Crop(out.getvalue(), width, height, name)

    def _load(self, path: Path, region: Region) -> tuple[str, Image.Image, Region]:
        try:
            with Image.open(path) as opened:
                picture = ImageOps.exif_transpose(opened).convert("RGB")
        except OSError as error:
            msg = f"{path} cannot be read as a picture: {error}"
            raise ValueError(msg) from error
        x, y, w, h = region
        # A crop shrinks by at most two: bilinear sampling skips pixels beyond that.
        shrink = min(1.0, 2 * self._side / max(w * picture.width, h * picture.height))
        picture = picture.resize((max(1, round(picture.width * shrink)), max(1, round(picture.height * shrink))))
        width, height = picture.size
        return path.name, picture, (x * width, y * height, w * width, h * height)


def _found(text: str) -> list[tuple[Path, Region]]:
    name, at, numbers = text.rpartition("@")
    if at and not Path(text).exists():
        region = tuple(float(number) for number in numbers.split(","))
        if len(region) != 4 or region[2] <= 0 or region[3] <= 0:
            msg = f"{numbers!r} is no place in a picture: write FILE@X,Y,W,H in parts of its size, as 0.3,0.1,0.4,0.5"
            raise ValueError(msg)
        return [(Path(name), (region[0], region[1], region[2], region[3]))]
    path = Path(text)
    files = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
    return [(file, (0.0, 0.0, 1.0, 1.0)) for file in files]


def _affine(
    centre: tuple[float, float], scale: float, angle: float, size: tuple[int, int]
) -> tuple[float, float, float, float, float, float]:
    """The map from a pixel of the crop to one of the picture: turned by `angle` about the crop's middle."""
    cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
    half_w, half_h = size[0] / 2, size[1] / 2
    return (
        cos,
        sin,
        centre[0] - cos * half_w - sin * half_h,
        -sin,
        cos,
        centre[1] + sin * half_w - cos * half_h,
    )
