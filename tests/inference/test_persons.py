from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from inference.persons import SHAPE, prepare, read


def test_the_input_is_the_whole_picture_stretched() -> None:
    tensor = prepare(Image.new("RGB", (640, 200), (1, 2, 3)))
    assert (tensor.shape, tensor.dtype.name) == (SHAPE, "uint8")
    assert tensor[0, 299, 299].tolist() == [1, 2, 3]


def test_only_counted_boxes_above_the_threshold_are_read_and_corners_are_reordered() -> None:
    outputs = {
        "num_detections:0": np.array([3], np.float32),
        "detection_scores:0": np.array([[0.2, 0.4, 0.9, 0.99]], np.float32),
        "detection_boxes:0": np.array(
            [[[0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8], [0] * 4]], np.float32
        ),
    }
    boxes, scores = read(outputs)
    assert scores.tolist() == pytest.approx([0.9, 0.4])
    assert boxes[0].tolist() == pytest.approx([0.6, 0.5, 0.8, 0.7])
    assert boxes[1].tolist() == pytest.approx([0.2, 0.1, 0.4, 0.3])


def test_an_empty_street_has_no_box() -> None:
    outputs = {
        "num_detections:0": np.zeros(1, np.float32),
        "detection_scores:0": np.zeros((1, 100), np.float32),
        "detection_boxes:0": np.zeros((1, 100, 4), np.float32),
    }
    assert [len(part) for part in read(outputs)] == [0, 0]
