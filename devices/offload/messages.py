"""Messages of the wire to structs that cross rims, and back."""

from __future__ import annotations

from devices.offload.wire import offload_pb2 as pb
from twins.errors import Rejected
from twins.exchange import Detection, Frame, ModelInfo, PixelFormat, Result

FORMATS: dict[int, PixelFormat] = {
    pb.JPEG: "jpeg",
    pb.RGB24: "rgb24",
    pb.BGR24: "bgr24",
    pb.NV21: "nv21",
    pb.YUV420P: "yuv420p",
    pb.GRAY8: "gray8",
}
HALF_BYTES: dict[PixelFormat, int] = {"rgb24": 6, "bgr24": 6, "nv21": 3, "yuv420p": 3, "gray8": 2}
"""Bytes of two pixels of a raw format."""


def frame_of(message: pb.Frame, device: str, cause: str, at: int, received: float) -> Frame:
    """The frame as the engine takes it. Raises `Rejected` for what can be seen to be wrong without decoding."""
    pixels = FORMATS.get(message.format)
    if pixels is None:
        reason = f"format {message.format} is not known; send one of {', '.join(FORMATS.values())}"
        raise Rejected(reason)
    if message.rotation not in (0, 90, 180, 270):
        reason = f"rotation {message.rotation}: send 0, 90, 180 or 270 degrees"
        raise Rejected(reason)
    _check_size(message, pixels)
    return Frame(
        device=device,
        seq=message.seq,
        at=at,
        received=received,
        width=message.width,
        height=message.height,
        format=pixels,
        data=message.data,
        cause=cause,
        rotation=message.rotation,
    )


def faces_of(result: Result) -> list[pb.Face]:
    """Each thing found, with what a classifier said of it (a detection `within` it); a classifier alone is one face."""
    said = {found.within: found for found in result.detections if found.within is not None}
    return [_face(found, said.get(index)) for index, found in enumerate(result.detections) if found.within is None]


def model_of(info: ModelInfo) -> pb.Model:
    return pb.Model(
        name=info.name,
        version=info.version,
        labels=info.labels,
        input_width=info.width,
        input_height=info.height,
        task=info.task,
        sha256=info.sha256,
        licence=info.licence,
    )


def _check_size(message: pb.Frame, pixels: PixelFormat) -> None:
    if not message.data:
        reason = "the frame has no data"
        raise Rejected(reason)
    if pixels == "jpeg":
        return
    wanted = message.width * message.height * HALF_BYTES[pixels] // 2
    if not wanted or len(message.data) != wanted:
        reason = (
            f"{pixels} of {message.width}x{message.height} takes {wanted} bytes, the frame has {len(message.data)}; "
            "send rows without padding"
        )
        raise Rejected(reason)


def _face(found: Detection, said: Detection | None) -> pb.Face:
    box = None if found.box is None else pb.Box(x=found.box.x, y=found.box.y, w=found.box.w, h=found.box.h)
    label = said or found
    return pb.Face(box=box, found=found.score, label=label.label, score=label.score, scores=label.scores)
