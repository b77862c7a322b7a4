from __future__ import annotations

import io

import numpy as np
from PIL import Image

from devices.camera.gallery import Gallery
from twins.exchange import Box, Detection, Frame


def a_frame(cause: str, device: str = "default/gate", size: tuple[int, int] = (160, 120), level: int = 0) -> Frame:
    data = np.full((size[1], size[0], 3), level, np.uint8).tobytes()
    return Frame(device, 1, 1, 1.0, size[0], size[1], "rgb24", data, cause=cause)


def decoded(jpeg: bytes | None) -> np.ndarray:
    assert jpeg is not None
    return np.asarray(Image.open(io.BytesIO(jpeg)))


def test_nothing_is_encoded_until_somebody_looks_and_then_once():
    gallery = Gallery()
    for n in range(10):
        gallery.show(a_frame(f"camera:1:{n}"))
    assert gallery.encoded == 0
    first, again = gallery.latest("default/gate"), gallery.latest("default/gate")
    assert first == again
    assert first.cause == "camera:1:9"
    assert gallery.by_cause("camera:1:9") == first.jpeg
    assert gallery.encoded == 1


def test_the_version_grows_with_each_picture():
    gallery = Gallery()
    assert gallery.version("default/gate") == 0
    gallery.show(a_frame("camera:1:1"))
    before = gallery.version("default/gate")
    gallery.show(a_frame("camera:1:2", "default/yard"))
    assert gallery.version("default/gate") == before
    gallery.show(a_frame("camera:1:3"))
    assert gallery.version("default/gate") > before
    assert gallery.latest("default/gate").version == gallery.version("default/gate")


def test_a_box_is_drawn_where_the_thing_is_and_the_rest_is_left_alone():
    gallery = Gallery()
    person = Detection("person", 0.87, Box(0.5, 0.5, 0.25, 0.25))
    gallery.show(a_frame("camera:1:1", size=(640, 480)), (person, Detection("mood", 0.5)))
    picture = gallery.latest("default/gate")
    assert (picture.width, picture.height, picture.detections[0]) == (640, 480, person)
    drawn = decoded(picture.jpeg)
    assert drawn.shape == (480, 640, 3)
    assert drawn[300, 320].max() > 100, "left edge"
    assert drawn[360, 400].max() > 100, "lower edge"
    assert drawn[300, 400].max() < 30, "inside"
    assert drawn[100, 100].max() < 30, "outside"


def test_boxes_beyond_the_border_and_of_no_size_do_not_hurt():
    gallery = Gallery()
    boxes = (Box(-0.5, -0.5, 3, 3), Box(0.5, 0.5, 0, 0), Box(1.2, 1.2, 0.1, 0.1))
    gallery.show(a_frame("camera:1:1"), tuple(Detection("person", 1.0, box) for box in boxes))
    assert decoded(gallery.latest("default/gate").jpeg).shape == (120, 160, 3)


def test_frames_are_bounded_by_number_and_bytes_per_camera():
    gallery = Gallery(keep=4, frame_bytes=3 * 160 * 120 * 3)
    for n in range(10):
        gallery.show(a_frame(f"camera:1:{n}"))
    gallery.show(a_frame("camera:1:90", "default/yard", (1920, 1080)))
    kept = [n for n in range(10) if gallery.by_cause(f"camera:1:{n}")]
    assert kept == [7, 8, 9]
    assert gallery.latest("default/yard").width == 1920, "the newest is kept, whatever its size"


def test_a_picture_once_asked_for_outlives_its_frame():
    gallery = Gallery(keep=2)
    gallery.show(a_frame("camera:1:0", level=200))
    alert = gallery.by_cause("camera:1:0")
    for n in range(1, 10):
        gallery.show(a_frame(f"camera:1:{n}"))
    assert gallery.by_cause("camera:1:0") == alert
    assert gallery.by_cause("camera:1:1") is None
    assert gallery.encoded == 1


def test_kept_jpegs_are_bounded_and_the_least_used_goes_first():
    gallery = Gallery(keep=3, jpeg_bytes=1)
    gallery.show(a_frame("camera:1:0"))
    gallery.by_cause("camera:1:0")
    for n in range(1, 5):
        gallery.show(a_frame(f"camera:1:{n}"))
        gallery.by_cause(f"camera:1:{n}")
    assert gallery.by_cause("camera:1:0") is None


def test_a_forgotten_camera_has_no_pictures():
    gallery = Gallery()
    gallery.show(a_frame("camera:1:1"))
    gallery.forget("default/gate")
    assert gallery.latest("default/gate") is None
    assert gallery.by_cause("camera:1:1") is None
    gallery.forget("default/gate")
