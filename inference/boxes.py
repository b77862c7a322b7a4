"""Boxes: letterboxing, overlap and suppression in numpy. A box here is a row x1, y1, x2, y2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from twins.exchange import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


def letterbox(picture: Image.Image, width: int, height: int, pad: int = 0) -> tuple[NDArray[np.uint8], float]:
    """The picture scaled into the upper left of [height, width, 3] RGB, the rest `pad`; and the scale.

    A point of the model's picture divided by the scale is a point of the source.
    """
    scale = min(width / picture.width, height / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    canvas = np.full((height, width, 3), pad, np.uint8)
    canvas[: size[1], : size[0]] = np.asarray(picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
    return canvas, scale


def overlap(box: Floats, others: Floats) -> Floats:
    """Intersection over union of one box with each of the others."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.prod(np.maximum(sides, 0), axis=1)
    union = _area(box[None]) + _area(others) - shared
    return np.asarray(shared / np.maximum(union, np.float32(1e-9)), np.float32)


def suppress(boxes: Floats, scores: Floats, limit: float) -> list[int]:
    """Which boxes stay, best first: each that overlaps no better one by more than `limit` (non-maximum suppression)."""
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while order.size:
        best, rest = int(order[0]), order[1:]
        kept.append(best)
        order = rest[overlap(boxes[best], boxes[rest]) <= limit]
    return kept


def part(box: Floats, width: float, height: float) -> Box:
    """A box in pixels of a width x height picture, cut at its edges, as parts of it."""
    x1, x2 = np.clip(box[[0, 2]] / width, 0.0, 1.0)
    y1, y2 = np.clip(box[[1, 3]] / height, 0.0, 1.0)
    return Box(float(x1), float(y1), float(x2 - x1), float(y2 - y1))


def _area(boxes: Floats) -> Floats:
    return np.asarray(np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1), np.float32)
