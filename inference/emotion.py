"""Mini-XCEPTION, an emotion classifier: a 64 x 64 gray face in, seven scores that add up to one out.

Its labels and their order are the catalogue's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from inference.boxes import Floats
    from inference.network import Outputs

SIDE = 64
SHAPE = (1, SIDE, SIDE, 1)
MARGIN = 1.02
"""Side of the crop over the longer side of the face's box: YuNet's boxes span 0.98 of the training pictures' height."""


def crop(picture: Image.Image, box: Floats) -> Image.Image:
    """The square around the centre of a box x1, y1, x2, y2 in pixels; black where it leaves the picture."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    side = MARGIN * max(box[2] - box[0], box[3] - box[1], 1.0)
    half = min(side, 2 * max(picture.size)) / 2  # a nonsense box must not ask for a nonsense amount of memory
    return picture.crop((round(x - half), round(y - half), round(x + half), round(y + half)))


def prepare(face: Image.Image) -> Floats:
    """Gray, 64 x 64, -1..1."""
    gray = face.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return (np.asarray(gray, np.float32) / np.float32(127.5) - np.float32(1.0)).reshape(SHAPE)


def read(outputs: Outputs) -> tuple[float, ...]:
    """The scores in the order of the labels: the network's only output."""
    scores = next(iter(outputs.values()))
    return tuple(float(score) for score in scores.reshape(-1))
