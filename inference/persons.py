"""SSDLite, a person detector: 300 x 300 RGB in, at most a hundred boxes out, already suppressed inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inference.boxes import Floats
    from inference.network import Outputs

SIDE = 300
SHAPE = (1, SIDE, SIDE, 3)
THRESHOLD = 0.3


def prepare(picture: Image.Image) -> NDArray[np.uint8]:
    """The whole picture, stretched."""
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0))[None]


def read(outputs: Outputs, threshold: float = THRESHOLD) -> tuple[Floats, Floats]:
    """Boxes x1, y1, x2, y2 in parts of the picture and their scores, best first."""
    count = int(outputs["num_detections:0"].reshape(-1)[0])
    scores = outputs["detection_scores:0"].reshape(-1)[:count]
    boxes = outputs["detection_boxes:0"].reshape(-1, 4)[:count]
    chosen = np.flatnonzero(scores >= threshold)
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
    return boxes[chosen][:, [1, 0, 3, 2]], scores[chosen]
