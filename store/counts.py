"""What became of points, in exact numbers."""

from __future__ import annotations

from msgspec import Struct


class Counts(Struct):
    """Points and files since the start, exactly."""

    sealed: int = 0
    """Points that went into segments."""
    repeated: int = 0
    """Points that came before."""
    expired: int = 0
    """Points that came so late that they would have gone at once."""
    removed: int = 0
    """Points that went: old ones, and for want of space the oldest."""
    crowded: int = 0
    """Of these, those that went for want of space."""
    damaged: int = 0
    """Points in segments that could not be read any more."""
    merges: int = 0
    full: int = 0
    """How often there was no room for what was to be sealed or merged."""
