"""One opening of a source with PyAV: its packets, its pictures, and in plain words what went wrong.

This module is imported when the first camera is opened: PyAV costs 30 MB.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import av
import av.error
from msgspec import Struct

from devices.camera.limits import Limits
from devices.camera.manifest import CameraSpec
from devices.camera.redaction import redact
from twins.errors import Unavailable

CORRUPT = 100
"""Packets in a row that do not decode: joining a stream between key pictures costs a few, a broken video all."""

_LIVE = ("rtsp", "mpjpeg")
_WHITELISTS = {
    "file": "file,crypto,data",
    "rtsp": "rtsp,rtsps,rtp,srtp,udp,tcp,tls",
    "http": "http,https,tcp,tls,crypto,data",
}
"""A playlist fetched from a camera must not make us read local files, nor the other way round."""

_LOW_DELAY = {"probesize": "32768", "analyzeduration": "0", "fflags": "nobuffer", "flags": "low_delay"}
"""Measured: the first picture after 1.2 s in place of 2.3 s."""


class Still(Struct):
    """A picture of the source, decoded or (`packet`) still to be; with neither it can only be passed over."""

    moment: float | None
    frame: av.VideoFrame | None = None
    packet: Any = None


class Video:
    """An open source. Use as a context manager, in one thread. Raises `Unavailable` with the reason."""

    def __init__(self, spec: CameraSpec, limits: Limits) -> None:
        self._spec = spec
        self._limits = limits
        try:
            self._container = self._open()
            self._stream: Any = self._container.streams.video[0]
        except (av.error.FFmpegError, OSError) as error:
            raise Unavailable(explain(error, spec)) from error
        except IndexError as error:
            self._container.close()
            message = f"no video in {spec.shown}"
            raise Unavailable(message) from error
        self._context = self._stream.codec_context  # None for a codec FFmpeg does not know
        if self._context is None:
            self._container.close()
            message = f"the video codec of {spec.shown} is not supported; set the camera to H.264, H.265 or MJPEG"
            raise Unavailable(message)
        self._stream.thread_type = "SLICE"  # threads by frame would hold back one picture per thread
        self.live = self._container.format.name in _LIVE
        self.interval = float(1 / rate) if (rate := self._stream.average_rate or self._stream.guessed_rate) else 0.04

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def stills(self, period: float) -> Iterator[Still]:
        """Every picture of the source, in time. Raises `Unavailable` when it breaks off, returns at its end.

        Where key pictures come at least every `period` seconds (MJPEG always), the others need no decoding.
        """
        corrupt = 0
        keys = _Keys(period)
        try:
            for packet in self._container.demux(self._stream):
                moment = None if packet.pts is None else float(packet.pts * packet.time_base)
                if packet.size and packet.is_keyframe and keys.suffice(moment):
                    yield from self._drain()
                if keys.enough:
                    if packet.size:
                        yield Still(moment, packet=packet if packet.is_keyframe else None)
                    continue
                frames = self._decode(packet)
                corrupt = corrupt + 1 if frames is None else 0
                if corrupt > CORRUPT:
                    message = f"broken video: {CORRUPT} packets in a row of {self._spec.shown} do not decode"
                    raise Unavailable(message)
                yield from map(self._still, frames or ())
        except av.error.EOFError:
            return
        except (av.error.FFmpegError, OSError) as error:
            raise Unavailable(explain(error, self._spec)) from error

    def frame(self, still: Still) -> av.VideoFrame | None:
        """The decoded picture; `None` if it is not to be had."""
        if still.frame is not None or still.packet is None:
            return still.frame
        frames = [*(self._decode(still.packet) or ()), *self._context.decode(None)]
        self._context.flush_buffers()
        return frames[0] if frames else None

    def _drain(self) -> Iterator[Still]:
        yield from map(self._still, self._context.decode(None))
        self._context.flush_buffers()

    def _still(self, frame: av.VideoFrame) -> Still:
        # Not `frame.time`: a frame drained at the end does not know its time base.
        return Still(None if frame.pts is None else float(frame.pts * self._stream.time_base), frame)

    def _decode(self, packet: Any) -> list[av.VideoFrame] | None:
        """`None` where the packet is corrupt: flipped bits show as almost any of FFmpeg's errors."""
        try:
            return list(self._context.decode(packet if packet.size else None))
        except av.error.MemoryError:
            raise
        except av.error.FFmpegError:
            return None

    def _open(self) -> Any:
        if self._spec.scheme not in ("rtsp", "rtsps"):
            return self._try({})
        if self._spec.transport != "auto":
            return self._try({"rtsp_transport": self._spec.transport})
        try:
            return self._try({"rtsp_transport": "tcp"})
        except OSError as error:
            if error.errno != errno.EPROTONOSUPPORT:  # what RTSP's 461 Unsupported Transport becomes
                raise
        return self._try({"rtsp_transport": "udp"})

    def _try(self, options: dict[str, str]) -> Any:
        family = self._spec.scheme.rstrip("s") if self._spec.path is None else "file"
        low_delay = _LOW_DELAY if family == "rtsp" else {}
        options = {"protocol_whitelist": _WHITELISTS[family], **low_delay, **options}
        source = self._spec.source if self._spec.path is None else str(self._spec.path)
        return av.open(source, options=options, timeout=(self._limits.opening, self._limits.reading))


class _Keys:
    """Whether key pictures alone come often enough."""

    def __init__(self, period: float) -> None:
        self.enough = False
        self._period = period
        self._last: float | None = None

    def suffice(self, moment: float | None) -> bool:
        """Told of each key picture; true when they suffice from this one on and did not before."""
        before, last = self.enough, self._last
        self._last = moment
        self.enough = moment is not None and last is not None and 0 < moment - last <= self._period
        return self.enough and not before


def convert(frame: av.VideoFrame, width: int | None, rotate: int | None) -> tuple[bytes, int, int]:
    """A decoded picture as upright rgb24 rows without padding, its width and its height."""
    import numpy as np

    scale = min(1.0, width / frame.width) if width else 1.0
    size = round(frame.width * scale), round(frame.height * scale)
    picture = frame.to_ndarray(format="rgb24", width=size[0], height=size[1])
    # numpy turns counter-clockwise, as the display matrix of a video says.
    turns = frame.rotation // 90 if rotate is None else -(rotate // 90)
    picture = np.rot90(picture, turns % 4)
    return picture.tobytes(), picture.shape[1], picture.shape[0]


def explain(error: Exception, spec: CameraSpec) -> str:
    """What went wrong and what to do, without credentials."""
    where = spec.shown
    match error:
        case av.error.FileNotFoundError() | FileNotFoundError():
            return f"file missing: {where}"
        case av.error.PermissionError() | PermissionError():
            return f"no right to read {where}: give it to the user the gateway runs as"
        case av.error.HTTPUnauthorizedError() | av.error.HTTPForbiddenError():
            return f"{where} wants another user and password: set them in `spec.source`"
        case av.error.HTTPNotFoundError():
            return f"no such stream: {where}; compare the path with the camera's manual"
        case ConnectionRefusedError():
            return f"refused: nothing listens at {where}"
        case av.error.DecoderNotFoundError() | av.error.NotImplementedError() | av.error.PatchWelcomeError():
            return f"codec unsupported: {where}; set the camera to H.264, H.265 or MJPEG"
        case av.error.DemuxerNotFoundError() | av.error.InvalidDataError():
            return f"broken video: {where} is not a video that can be read"
        case av.error.ExitError() | TimeoutError():
            return f"no answer from {where}: unplugged or stalled"
        case ConnectionError() | BrokenPipeError():
            return f"the connection to {where} broke off"
        case OSError(errno=errno.EPROTONOSUPPORT):
            return f"{where} refuses `transport: {spec.transport}`: try `transport: auto`"
        case OSError(errno=errno.EIO):
            return f"cannot reach {where}: is the address right?"
        case _:
            return redact(f"{where}: {error}")
