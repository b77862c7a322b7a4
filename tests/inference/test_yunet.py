from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from inference.yunet import SHAPE, SIDE, STRIDES, prepare, read

if TYPE_CHECKING:
    from inference.network import Outputs


def _outputs() -> Outputs:
    """What the network says of an empty picture."""
    outputs = {}
    for stride in STRIDES:
        cells = (SIDE // stride) ** 2
        for name, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            outputs[f"{name}_{stride}"] = np.zeros((1, cells, width), np.float32)
    return outputs


def _put(outputs: Outputs, stride: int, column: int, row: int, score: tuple[float, float]) -> None:
    """A face of side 2 strides, centred half a cell into its cell, its points all at the centre."""
    cell = row * (SIDE // stride) + column
    outputs[f"cls_{stride}"][0, cell], outputs[f"obj_{stride}"][0, cell] = score
    outputs[f"bbox_{stride}"][0, cell] = (0.5, 0.5, np.log(2), np.log(2))
    outputs[f"kps_{stride}"][0, cell] = 0.5


def test_an_empty_picture_has_no_face() -> None:
    faces = read(_outputs())
    assert faces.boxes.shape == (0, 4)
    assert faces.points.shape == (0, 5, 2)


@pytest.mark.parametrize("stride", STRIDES)
def test_a_face_is_found_at_its_cell_and_scaled_back_to_the_source(stride: int) -> None:
    outputs = _outputs()
    _put(outputs, stride, 3, 2, (0.81, 1.0))
    faces = read(outputs, scale=0.5)
    centre = np.array([3.5, 2.5]) * stride * 2
    assert faces.scores.tolist() == pytest.approx([0.9])
    assert faces.boxes[0].tolist() == pytest.approx([*(centre - 2 * stride), *(centre + 2 * stride)])
    assert faces.points[0].tolist() == [pytest.approx(centre)] * 5


def test_the_score_is_the_geometric_mean_of_two_clipped_ones() -> None:
    outputs = _outputs()
    _put(outputs, 8, 1, 1, (1.7, 0.49))
    _put(outputs, 32, 6, 6, (0.59, 0.59))
    assert read(outputs).scores.tolist() == pytest.approx([0.7])


def test_two_boxes_on_one_face_become_one_and_the_best_comes_first() -> None:
    outputs = _outputs()
    _put(outputs, 16, 10, 10, (0.8, 0.8))
    _put(outputs, 16, 10, 11, (0.9, 0.9))
    _put(outputs, 8, 2, 2, (0.95, 0.95))
    assert read(outputs).scores.tolist() == pytest.approx([0.95, 0.9])


def test_the_input_is_bgr_in_the_upper_left() -> None:
    tensor, scale = prepare(Image.new("RGB", (160, 80), (1, 2, 3)))
    assert (tensor.shape, tensor.dtype.name, scale) == (SHAPE, "float32", 2.0)
    assert tensor[0, :, 0, 0].tolist() == [3, 2, 1]
    assert not tensor[0, :, 160:].any()
