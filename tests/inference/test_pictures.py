from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inference.pictures import decode
from twins.errors import Rejected
from twins.exchange import Frame

FrameOf = Callable[..., Frame]

RED, GREEN, GRAY = (255, 0, 0), (0, 255, 0), (128, 128, 128)


def _encoded(picture: Image.Image, kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, quality=90)
    return out.getvalue()


def _png_header(width: int, height: int) -> bytes:
    """A PNG that says it is huge and has next to no pixels: what a decompression bomb begins with."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0" * 100))]
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def _mean(picture: Image.Image) -> list[float]:
    return [float(value) for value in np.asarray(picture).reshape(-1, 3).mean(axis=0)]


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "RGBA", "P"])
def test_an_encoded_picture_of_any_mode_becomes_rgb(frame_of: FrameOf, kind: str, mode: str) -> None:
    if (kind, mode) in {("JPEG", "RGBA"), ("JPEG", "P"), ("PNG", "CMYK")}:
        mode = "L"
    picture = decode(frame_of(_encoded(Image.new("RGB", (33, 21), GRAY).convert(mode), kind)))
    assert (picture.mode, picture.size) == ("RGB", (33, 21))
    assert _mean(picture) == pytest.approx(GRAY, abs=3)


@pytest.mark.parametrize(("format", "order"), [("rgb24", (0, 1, 2)), ("bgr24", (2, 1, 0))])
def test_raw_colours_keep_their_place(frame_of: FrameOf, format: str, order: tuple[int, ...]) -> None:  # noqa: A002
    pixels = np.arange(7 * 5 * 3, dtype=np.uint8).reshape(5, 7, 3)
    picture = decode(frame_of(pixels[:, :, order].tobytes(), format=format, width=7, height=5))
    assert np.array_equal(np.asarray(picture), pixels)


def test_gray_becomes_three_equal_channels(frame_of: FrameOf) -> None:
    picture = decode(frame_of(bytes(range(12)), format="gray8", width=4, height=3))
    assert np.asarray(picture)[2, 3].tolist() == [11, 11, 11]


@pytest.mark.parametrize("size", [(8, 6), (7, 5)])
@pytest.mark.parametrize(("colour", "y", "u", "v"), [(RED, 76, 85, 255), (GREEN, 150, 44, 21), (GRAY, 128, 128, 128)])
def test_nv21_is_full_range_with_v_before_u(
    frame_of: FrameOf, colour: tuple[int, ...], y: int, u: int, v: int, size: tuple[int, int]
) -> None:
    width, height = size
    quarter = ((width + 1) // 2) * ((height + 1) // 2)
    data = bytes([y]) * (width * height) + bytes([v, u]) * quarter
    assert _mean(decode(frame_of(data, format="nv21", width=width, height=height))) == pytest.approx(colour, abs=3)


@pytest.mark.parametrize(("colour", "y", "u", "v"), [(RED, 81, 90, 240), (GREEN, 145, 54, 34), (GRAY, 126, 128, 128)])
def test_yuv420p_is_video_range(frame_of: FrameOf, colour: tuple[int, ...], y: int, u: int, v: int) -> None:
    data = bytes([y]) * 35 + bytes([u]) * 12 + bytes([v]) * 12
    assert _mean(decode(frame_of(data, format="yuv420p", width=7, height=5))) == pytest.approx(colour, abs=3)


def test_a_memoryview_is_read_as_bytes_are(frame_of: FrameOf) -> None:
    frame = frame_of(memoryview(_encoded(Image.new("RGB", (8, 8), RED))))
    assert decode(frame).size == (8, 8)


@pytest.mark.parametrize(("rotation", "corner"), [(0, (0, 0)), (90, (0, 1)), (180, (1, 1)), (270, (1, 0))])
def test_a_turned_frame_is_made_upright_clockwise(frame_of: FrameOf, rotation: int, corner: tuple[int, int]) -> None:
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[0, 0] = 255
    upright = np.asarray(decode(frame_of(pixels.tobytes(), format="rgb24", width=6, height=4, rotation=rotation)))
    assert upright.shape[:2] == ((4, 6) if rotation % 180 == 0 else (6, 4))
    assert upright[-corner[0], -corner[1], 0] == 255


def test_a_rotation_by_half_a_turn_and_a_bit_is_refused(frame_of: FrameOf) -> None:
    with pytest.raises(Rejected, match="send 0, 90, 180 or 270"):
        decode(frame_of(bytes(3), format="rgb24", width=1, height=1, rotation=181))


def test_a_truncated_jpeg_is_refused(frame_of: FrameOf) -> None:
    data = _encoded(Image.effect_noise((200, 200), 60).convert("RGB"))
    with pytest.raises(Rejected, match="truncated"):
        decode(frame_of(data[: len(data) // 2]))


def test_a_picture_that_says_it_is_huge_is_refused_before_it_is_decoded(frame_of: FrameOf) -> None:
    with pytest.raises(Rejected, match="more than 50 megapixels") as refused:
        decode(frame_of(_png_header(60_000, 60_000)))
    assert refused.value.code == 413
    with pytest.raises(Rejected, match="megapixels"):
        decode(frame_of(b"", format="nv21", width=100_000, height=100_000))


@pytest.mark.parametrize("data", [b"", b"GIF89a....", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"<html>"])
def test_what_is_no_picture_is_refused(frame_of: FrameOf, data: bytes) -> None:
    with pytest.raises(Rejected, match="picture"):
        decode(frame_of(data))


@pytest.mark.parametrize("format", ["rgb24", "bgr24", "nv21", "yuv420p", "gray8"])
def test_a_raw_picture_of_the_wrong_length_is_refused(frame_of: FrameOf, format: str) -> None:  # noqa: A002
    for data in (b"", bytes(999)):
        with pytest.raises(Rejected, match="bytes and needs"):
            decode(frame_of(data, format=format, width=16, height=16))
    with pytest.raises(Rejected, match="no pixels"):
        decode(frame_of(b"", format=format, width=0, height=16))


@given(cut=st.integers(0, 900), noise=st.binary(max_size=200))
def test_no_damage_to_a_picture_raises_anything_but_rejected(cut: int, noise: bytes) -> None:
    whole = [_encoded(Image.linear_gradient("L").resize((64, 64)).convert("RGB"), kind) for kind in ("JPEG", "PNG")]
    for data in whole:
        frame = Frame("d", 1, 1, 0.0, 0, 0, "jpeg", data[:cut] + noise + data[cut + len(noise) :])
        try:
            assert decode(frame).mode == "RGB"
        except Rejected:
            pass
