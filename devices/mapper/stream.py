"""Pictures of a stream into files: KubeEdge's property `saveFrame` of type STREAM. PyAV is loaded when one is saved."""

from __future__ import annotations

import asyncio
import math
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from runtime.clock import Clock
from twins.errors import Rejected, Unavailable
from twins.schema import decode

NAME = "saveFrame"


class Saving(Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of the property's visitor that are not the driver's. The driver reads where the stream is."""

    outputDir: Annotated[str, Meta(min_length=1)]  # noqa: N815 - KubeEdge's keys
    format: Literal["jpg", "jpeg", "png"] = "jpg"
    frameCount: Annotated[int, Meta(ge=1, le=10_000)] = 1  # noqa: N815
    frameInterval: Annotated[int, Meta(ge=0)] = 0  # noqa: N815
    """Nanoseconds between two pictures, as in KubeEdge."""


KEYS = frozenset({*Saving.__struct_fields__, "videoNum"})


def saving_of(name: str, visitor: dict[str, Any]) -> Saving:
    """What a stream property asks for. Raises `Rejected` for what is not done or makes no sense."""
    if name != NAME:
        reason = f"a stream property is called {NAME} here; {name} is not done"
        raise Rejected(reason)
    own = {key: value for key, value in visitor.items() if key in Saving.__struct_fields__}
    return decode(own, Saving, "visitors.configData", strict=False)


async def save(source: str, saving: Saving, clock: Clock) -> list[Path]:
    """Save pictures of an RTSP address, a URL or a file until there are enough. Raises `Unavailable` when they end."""
    stop = threading.Event()
    try:
        return await asyncio.to_thread(_save, source, saving, clock, stop)
    except ImportError as missing:
        reason = f"{missing.name} is not installed: pip install 'gemelo[camera]'"
        raise Unavailable(reason) from missing
    finally:
        stop.set()  # for the thread of one who was cancelled


def stamp(now: int) -> str:
    """Microseconds UTC in Go's RFC3339Nano: no zeros at the end of the fraction."""
    at = datetime.fromtimestamp(now // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{now % 1_000_000:06d}".rstrip("0")
    return f"{at}.{fraction}Z" if fraction else f"{at}Z"


def _save(source: str, saving: Saving, clock: Clock, stop: threading.Event) -> list[Path]:
    from devices.camera.limits import Limits
    from devices.camera.manifest import CameraSpec
    from devices.camera.video import Video

    folder, interval, due = Path(saving.outputDir), saving.frameInterval / 1e9, -math.inf
    saved: list[Path] = []
    with Video(CameraSpec(source), Limits()) as video:
        for still in video.stills(interval):
            now = clock.monotonic() if still.moment is None else still.moment  # a file plays by its own time
            frame: Any = video.frame(still) if now >= due else None
            if frame is not None:
                due = now + interval
                saved.append(_write(frame, folder / f"f{stamp(clock.now())}.{saving.format}"))
            if len(saved) == saving.frameCount or stop.is_set():
                return saved
    reason = f"the stream ended after {len(saved)} of {saving.frameCount} pictures"
    raise Unavailable(reason)


def _write(frame: Any, path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_image().save(path)
    except OSError as error:
        reason = f"{path}: {error.strerror or error}; choose another outputDir"
        raise Unavailable(reason) from error
    return path
