"""YuNet, a face detector: 320 x 320 BGR in, twelve outputs out, read as OpenCV's FaceDetectorYN reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from inference.boxes import letterbox, suppress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inference.boxes import Floats
    from inference.network import Outputs

SIDE = 320
SHAPE = (1, 3, SIDE, SIDE)
STRIDES = (8, 16, 32)
THRESHOLD = 0.6
OVERLAP = 0.3


class Faces(NamedTuple):
    """`boxes` [n, 4] x1, y1, x2, y2 and `points` [n, 5, 2] (eyes, nose, corners of the mouth; the person's right first)
    in pixels, not cut at the edges; `scores` [n], best first."""

    boxes: Floats
    scores: Floats
    points: Floats


def prepare(picture: Image.Image) -> tuple[Floats, float]:
    """The network's input and the scale from the picture to it."""
    canvas, scale = letterbox(picture, SIDE, SIDE)
    return canvas[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32), scale


def read(outputs: Outputs, scale: float = 1.0, threshold: float = THRESHOLD) -> Faces:
    """Faces in pixels of the source.

    score = sqrt(cls · obj), centre = (cell + offset) · stride, side = exp(size) · stride.
    """
    found = [_stride(outputs, stride, threshold) for stride in STRIDES]
    boxes, scores, points = (np.concatenate(parts) for parts in zip(*found, strict=True))
    kept = suppress(boxes, scores, OVERLAP)
    return Faces(_floats(boxes[kept] / scale), scores[kept], _floats(points[kept] / scale))


def _stride(outputs: Outputs, stride: int, threshold: float) -> tuple[Floats, Floats, Floats]:
    cls, obj = (np.clip(outputs[f"{name}_{stride}"].reshape(-1), 0, 1) for name in ("cls", "obj"))
    scores = np.sqrt(cls * obj)
    chosen = np.flatnonzero(scores >= threshold)
    cells = np.stack((chosen % (SIDE // stride), chosen // (SIDE // stride)), axis=1).astype(np.float32)
    offsets = outputs[f"bbox_{stride}"].reshape(-1, 4)[chosen]
    centres, halves = (cells + offsets[:, :2]) * stride, np.exp(offsets[:, 2:]) * stride / 2
    points = (outputs[f"kps_{stride}"].reshape(-1, 5, 2)[chosen] + cells[:, None]) * stride
    return (
        _floats(np.concatenate((centres - halves, centres + halves), axis=1)),
        _floats(scores[chosen]),
        _floats(points),
    )


def _floats(values: NDArray[np.generic]) -> Floats:
    return np.asarray(values, np.float32)
