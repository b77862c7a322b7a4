"""What the gateway may ask of a phone, and what it advises."""

from __future__ import annotations

import time

from simulator.phone.options import PhoneOptions
from simulator.wire import offload_pb2 as pb

LIMITS = {"fps_cap": (0.01, 60.0), "jpeg_quality": (1, 100), "deadline_ms": (0, 600_000)}
"""Settings that can be asked of the phone, besides `enabled`."""


class Settings:
    """As the phone was told at its start, until something else is asked."""

    def __init__(self, options: PhoneOptions) -> None:
        self._meant = options.fps
        self._values = {"enabled": "true", "fps_cap": str(options.fps)}
        self._values |= {"jpeg_quality": str(options.quality), "deadline_ms": str(options.deadline_ms)}
        self._hinted: tuple[float, float] = (0.0, 0.0)  # pictures a second, and until when

    @property
    def enabled(self) -> bool:
        return self._values["enabled"] != "false"

    @property
    def quality(self) -> int:
        return int(self._values["jpeg_quality"])

    @property
    def deadline_ms(self) -> int:
        return int(self._values["deadline_ms"])

    @property
    def fps(self) -> float:
        """Pictures a second: as meant, asked and advised, whichever is least."""
        fps, until = self._hinted
        advised = fps if fps > 0 and time.monotonic() < until else self._meant
        return min(self._meant, float(self._values["fps_cap"]), advised)

    def heed(self, hint: pb.Hint) -> None:
        """Send less, for as long as the hint holds."""
        self._hinted = (hint.target_fps, time.monotonic() + hint.valid_ms / 1000)

    def obey(self, desired: pb.Desired) -> pb.ControlAck:
        """Do what is asked, where it can be done."""
        ack = pb.ControlAck()
        for name, value in desired.values.items():
            if fault := _fault(name, value):
                ack.refused[name] = fault
            else:
                self._values[name] = ack.reported[name] = value
        return ack


def _fault(name: str, value: str) -> str:
    """Why a setting cannot be as asked; empty when it can."""
    if name == "enabled":
        return "" if value in ("true", "false") else "say true or false"
    if name not in LIMITS:
        return "this phone has no such setting"
    least, most = LIMITS[name]
    try:
        number = float(value) if name == "fps_cap" else int(value)
    except ValueError:
        return "not a number"
    return "" if least <= number <= most else f"not within {least:g}..{most:g}"
