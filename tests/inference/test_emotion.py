from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from inference.emotion import SHAPE, crop, prepare, read


def test_the_crop_is_a_square_a_little_larger_than_the_face() -> None:
    face = crop(Image.new("RGB", (500, 500)), np.array([100, 100, 200, 300], np.float32))
    assert face.size == (204, 204)


def test_a_crop_over_the_edge_is_black_there_and_stays_centred() -> None:
    face = crop(Image.new("RGB", (100, 100), (255, 255, 255)), np.array([-50, 0, 50, 100], np.float32))
    pixels = np.asarray(face)
    assert face.size == (102, 102)
    assert not pixels[50, 10].any()
    assert pixels[50, 90].all()


def test_a_nonsense_box_asks_for_no_more_than_twice_the_picture() -> None:
    face = crop(Image.new("RGB", (100, 50)), np.array([-1e9, -1e9, 1e9, 1e9], np.float32))
    assert face.size == (200, 200)


def test_the_input_is_gray_from_minus_one_to_one() -> None:
    picture = Image.new("RGB", (128, 128))
    picture.paste((255, 255, 255), (0, 0, 128, 64))
    tensor = prepare(picture)
    assert (tensor.shape, tensor.dtype.name) == (SHAPE, "float32")
    assert tensor[0, 0, 0, 0] == pytest.approx(1.0)
    assert tensor[0, -1, 0, 0] == pytest.approx(-1.0)


def test_scores_come_in_the_order_of_the_output() -> None:
    assert read({"Identity": np.array([[0.25, 0.75]], np.float32)}) == (0.25, 0.75)
