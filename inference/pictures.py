"""Frames into pictures: upright RGB of at most 50 megapixels. Nothing is decoded before its header has been believed.

Pillow does the work in C, outside the interpreter's lock. EXIF is ignored: a frame says itself how it is turned.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, JpegImagePlugin, PngImagePlugin

from twins.errors import Rejected
from twins.exchange import Frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

MAX_PIXELS = 50_000_000

_TURNS = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}
# ITU-R BT.601 video range to full range, one entry a byte: luma 16..235, chroma 16..240.
_LUMA = [min(255, max(0, round((value - 16) * 255 / 219))) for value in range(256)]
_CHROMA = [min(255, max(0, round((value - 128) * 255 / 224 + 128))) for value in range(256)]


def decode(frame: Frame) -> Image.Image:
    """The picture of a frame as upright RGB: turned clockwise by `frame.rotation` degrees.

    `jpeg` also takes PNG, known by its first bytes. `nv21` is full range, as phones' cameras give it; `yuv420p` is
    video range; both BT.601. Raw pictures must have exactly the bytes that their size needs.
    Raises `Rejected` for anything that is not such a picture.
    """
    picture = _encoded(frame) if frame.format == "jpeg" else _raw(frame)
    if frame.rotation % 360 == 0:
        return picture
    turn = _TURNS.get(frame.rotation % 360)
    if turn is None:
        message = f"rotation is {frame.rotation} degrees: send 0, 90, 180 or 270"
        raise Rejected(message)
    return picture.transpose(turn)


def _encoded(frame: Frame) -> Image.Image:
    data = bytes(frame.data)
    kind: Any
    if data.startswith(b"\xff\xd8\xff"):
        kind = JpegImagePlugin.JpegImageFile
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        kind = PngImagePlugin.PngImageFile
    else:
        message = f"the picture is neither JPEG nor PNG: it begins with {data[:4].hex(' ') or 'nothing'}"
        raise Rejected(message)
    try:
        # The plug-in itself, not Image.open: no search through forty formats, and the limit below is ours alone.
        picture: Image.Image = kind(io.BytesIO(data))
        _check(*picture.size)
        picture.load()
        return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        message = f"the picture is broken or truncated ({error}): send it whole"
        raise Rejected(message) from error


def _raw(frame: Frame) -> Image.Image:
    width, height, size = frame.width, frame.height, (frame.width, frame.height)
    _check(width, height)
    half = ((width + 1) // 2, (height + 1) // 2)
    luma, chroma = width * height, half[0] * half[1]
    match frame.format:
        case "rgb24":
            return Image.frombuffer("RGB", size, _sized(frame, luma * 3), "raw", "RGB", 0, 1)
        case "bgr24":
            return Image.frombuffer("RGB", size, _sized(frame, luma * 3), "raw", "BGR", 0, 1)
        case "gray8":
            return Image.frombuffer("L", size, _sized(frame, luma), "raw", "L", 0, 1).convert("RGB")
        case "nv21":
            data = _sized(frame, luma + 2 * chroma)
            y = _plane(data[:luma], size)
            v, u = Image.frombuffer("LA", half, data[luma:], "raw", "LA", 0, 1).split()
            return _merge(y, u, v)
        case "yuv420p":
            data = _sized(frame, luma + 2 * chroma)
            y = _plane(data[:luma], size).point(_LUMA)
            u = _plane(data[luma : luma + chroma], half).point(_CHROMA)
            v = _plane(data[luma + chroma :], half).point(_CHROMA)
            return _merge(y, u, v)
        case _:
            message = (
                f"pictures of format {frame.format!r} are not known: send jpeg, rgb24, bgr24, nv21, yuv420p or gray8"
            )
            raise Rejected(message)


def _check(width: int, height: int) -> None:
    if width < 1 or height < 1:
        message = f"the picture is {width} x {height}: it has no pixels"
        raise Rejected(message)
    if width * height > MAX_PIXELS:
        message = f"the picture is {width} x {height}: more than {MAX_PIXELS // 1_000_000} megapixels, send it smaller"
        raise Rejected(message, 413)


def _sized(frame: Frame, expected: int) -> Bytes:
    data = np.frombuffer(frame.data, np.uint8)
    if len(data) != expected:
        message = (
            f"{frame.format} of {frame.width} x {frame.height} has {len(data)} bytes and needs {expected}, unpadded"
        )
        raise Rejected(message)
    return data


def _plane(data: Bytes, size: tuple[int, int]) -> Image.Image:
    return Image.frombuffer("L", size, data, "raw", "L", 0, 1)


def _merge(y: Image.Image, u: Image.Image, v: Image.Image) -> Image.Image:
    wide = [plane.resize(y.size, Image.Resampling.NEAREST) for plane in (u, v)]
    return Image.merge("YCbCr", (y, *wide)).convert("RGB")
