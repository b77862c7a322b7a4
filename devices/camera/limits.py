"""How long a camera may take: a section of frozen numbers, all in seconds."""

from __future__ import annotations

from msgspec import Struct


class Limits(Struct, frozen=True):
    """Deadlines and pauses of one camera. The defaults suit IP cameras on a local network."""

    opening: float = 5.0
    """Until the source answers."""
    reading: float = 5.0
    """Between two packets of a live source."""
    silence: float = 10.0
    """Without a picture, beyond the pace asked for, the source is opened anew."""
    stopping: float = 6.0
    """Until a reader thread has ended: a blocked read ends by `reading`."""
    inference: float = 5.0
    """Until the detector has answered for one picture."""
    replay: float = 2.0
    """Between two looks at a video that has ended, to see whether it was replaced."""
    pauses: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0)
    """Before the next try; each ± 20 %, so that the cameras of one switch do not return in step."""
