"""The newest picture of each camera, and the last ones by cause, so that an alert shows the very frame that caused it.

Pictures are kept as they were inferred and encoded when somebody looks (a few ms each: call from a thread).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from threading import Lock

from msgspec import Struct

from twins.exchange import Detection, Frame

COLOURS = ("#00c853", "#2979ff", "#ff9100", "#d500f9", "#00b8d4", "#ffd600")


class Picture(Struct, frozen=True):
    """A JPEG with boxes. `version` grows with every picture shown: who has this version needs no other."""

    device: str
    version: int
    at: int
    cause: str
    width: int
    height: int
    detections: tuple[Detection, ...]
    jpeg: bytes


class _Shown(Struct, frozen=True):
    frame: Frame
    detections: tuple[Detection, ...]
    version: int


class Gallery:
    """Thread-safe. Per camera at most `keep` frames and `frame_bytes` bytes of them (always the newest one).

    JPEGs that were asked for are kept longer than their frames: `jpeg_bytes` of them in all.
    """

    def __init__(
        self, keep: int = 16, frame_bytes: int = 24 << 20, jpeg_bytes: int = 16 << 20, quality: int = 80
    ) -> None:
        self._keep = keep
        self._frame_bytes = frame_bytes
        self._jpeg_bytes = jpeg_bytes
        self._quality = quality
        self._lock = Lock()
        self._version = 0
        self._shown: dict[str, deque[_Shown]] = {}
        self._by_cause: dict[str, _Shown] = {}
        self._jpegs: OrderedDict[str, bytes] = OrderedDict()
        self.encoded = 0

    def show(self, frame: Frame, detections: tuple[Detection, ...] = ()) -> None:
        """An rgb24 frame that was looked at, with what is to be drawn."""
        with self._lock:
            self._version += 1
            shown = _Shown(frame, detections, self._version)
            ring = self._shown.setdefault(frame.device, deque())
            ring.append(shown)
            self._by_cause[frame.cause] = shown
            while len(ring) > self._keep or (
                len(ring) > 1 and sum(len(s.frame.data) for s in ring) > self._frame_bytes
            ):
                self._by_cause.pop(ring.popleft().frame.cause, None)

    def version(self, device: str) -> int:
        """The version of the newest picture, 0 if there is none: costs nothing, made for polling."""
        with self._lock:
            ring = self._shown.get(device)
            return ring[-1].version if ring else 0

    def latest(self, device: str, *, version: int = 0, drawn: bool = True) -> Picture | None:
        """The newest picture, or the one of `version` while it is kept; encoded now unless it already was.

        Boxes are in the picture when `drawn`; who draws them over it takes it without.
        """
        with self._lock:
            ring = self._shown.get(device)
            shown = next((s for s in ring if s.version == version), ring[-1]) if ring else None
        if shown is None:
            return None
        frame, jpeg = shown.frame, self._jpeg(shown, drawn=drawn)
        return Picture(device, shown.version, frame.at, frame.cause, frame.width, frame.height, shown.detections, jpeg)

    def by_cause(self, cause: str) -> bytes | None:
        """The JPEG of the frame with this cause, `None` when it is gone or never was."""
        with self._lock:
            shown, jpeg = self._by_cause.get(cause), self._jpegs.get(cause)
        return self._jpeg(shown) if shown is not None else jpeg

    def frame(self, device: str) -> Frame | None:
        """The newest frame as it was inferred, `None` if there is none."""
        with self._lock:
            ring = self._shown.get(device)
            return ring[-1].frame if ring else None

    def span(self, device: str, since: int, until: int) -> list[str]:
        """The causes of the frames that are kept and of this time (µs UTC), oldest first."""
        with self._lock:
            return [s.frame.cause for s in self._shown.get(device, ()) if since <= s.frame.at <= until]

    def forget(self, device: str) -> None:
        """The camera is gone; JPEGs of its alerts stay until others need their place."""
        with self._lock:
            for shown in self._shown.pop(device, ()):
                self._by_cause.pop(shown.frame.cause, None)

    def _jpeg(self, shown: _Shown, *, drawn: bool = True) -> bytes:
        detections = shown.detections if drawn else ()
        key = shown.frame.cause if detections or not shown.detections else f"{shown.frame.cause} bare"
        with self._lock:
            if key in self._jpegs:
                self._jpegs.move_to_end(key)
                return self._jpegs[key]
        jpeg = encode(shown.frame, detections, self._quality)
        with self._lock:
            self.encoded += 1
            self._jpegs[key] = jpeg
            while len(self._jpegs) > 1 and sum(map(len, self._jpegs.values())) > self._jpeg_bytes:
                self._jpegs.popitem(last=False)
        return jpeg


def encode(frame: Frame, detections: tuple[Detection, ...], quality: int) -> bytes:
    """An rgb24 frame as JPEG with boxes and labels drawn."""
    from io import BytesIO

    from PIL import Image, ImageDraw, ImageFont

    image = Image.frombytes("RGB", (frame.width, frame.height), bytes(frame.data))
    draw = ImageDraw.Draw(image)
    line = max(2, frame.width // 320)
    font = ImageFont.load_default(max(11, frame.width // 50))
    labels = sorted({d.label for d in detections})
    for detection in detections:
        if (box := detection.box) is None:
            continue
        left, top = box.x * frame.width, box.y * frame.height
        right, bottom = left + max(1.0, box.w * frame.width), top + max(1.0, box.h * frame.height)
        colour = COLOURS[labels.index(detection.label) % len(COLOURS)]
        draw.rectangle((left, top, right, bottom), outline=colour, width=line)
        text = f"{detection.label} {detection.score:.0%}"
        corner = draw.textbbox((left + line, max(0.0, top)), text, font=font)
        draw.rectangle(corner, fill=colour)
        draw.text((left + line, max(0.0, top)), text, fill="black", font=font)
    out = BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()
