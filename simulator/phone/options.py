"""What a phone is told to be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PhoneOptions:
    """What a phone is and does. `duration` and `grace` are seconds; `duration` None is for ever."""

    address: str
    pictures: tuple[str, ...]
    device: str = "phone-1"
    fps: float = 10.0
    duration: float | None = None
    grace: float = 5.0
    record: Path | None = None
    token: str = ""
    authority: Path | None = None
    model: str = ""
    deadline_ms: int = 0
    side: int = 224
    quality: int = 80
    seed: int | None = None
