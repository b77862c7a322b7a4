from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inference.boxes import letterbox, overlap, part, suppress


def test_a_wide_picture_fills_the_upper_part_and_the_rest_is_padding() -> None:
    canvas, scale = letterbox(Image.new("RGB", (640, 320), (10, 20, 30)), 320, 320, pad=114)
    assert (canvas.shape, scale) == ((320, 320, 3), 0.5)
    assert canvas[159, 319].tolist() == [10, 20, 30]
    assert canvas[160, 0].tolist() == [114, 114, 114]


def test_a_small_picture_is_enlarged() -> None:
    canvas, scale = letterbox(Image.new("RGB", (40, 80), (9, 9, 9)), 320, 320)
    assert scale == 4.0
    assert canvas[319, 159].tolist() == [9, 9, 9]
    assert not canvas[:, 160:].any()


@given(width=st.integers(1, 4000), height=st.integers(1, 4000))
def test_a_letterboxed_picture_never_leaves_its_canvas(width: int, height: int) -> None:
    canvas, scale = letterbox(Image.new("RGB", (width, height), (1, 1, 1)), 32, 32)
    assert canvas.shape == (32, 32, 3)
    assert max(width, height) * scale == pytest.approx(32)


def test_overlap_is_shared_area_over_all_area() -> None:
    boxes = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6], [0, 0, 2, 2]], np.float32)
    assert overlap(boxes[0], boxes).tolist() == pytest.approx([1.0, 1 / 3, 0.0, 1.0])


def test_the_better_of_two_boxes_on_one_thing_stays() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30]], np.float32)
    assert suppress(boxes, np.array([0.7, 0.9, 0.5], np.float32), 0.3) == [1, 2]


def test_nothing_suppressed_is_nothing_kept() -> None:
    assert suppress(np.empty((0, 4), np.float32), np.empty(0, np.float32), 0.3) == []


@given(
    st.lists(st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(1, 15)] * 2, st.integers(1, 99)), max_size=12),
    st.sampled_from([0.1, 0.3, 0.6]),
)
def test_suppression_agrees_with_its_definition(rows: list[tuple[int, ...]], limit: float) -> None:
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in rows], np.float32).reshape(-1, 4)
    scores = np.array([row[4] for row in rows], np.float32)
    kept: list[int] = []
    for index in sorted(range(len(rows)), key=lambda index: -scores[index]):
        if all(overlap(boxes[index], boxes[[other]])[0] <= limit for other in kept):
            kept.append(index)
    assert suppress(boxes, scores, limit) == kept


def test_a_box_over_the_edge_is_cut_there() -> None:
    box = part(np.array([-10, 20, 50, 130], np.float32), 100, 100)
    assert (box.x, box.y, box.w, box.h) == pytest.approx((0.0, 0.2, 0.5, 0.8))
