"""What every format is decoded to, and how much of it is taken."""

from __future__ import annotations

from msgspec import Struct

from twins.kubeedge.reader import BODY_LIMIT
from twins.path import VALUES

__all__ = ["BODY_LIMIT", "DEPTH", "FRAMES", "NAME", "PROPERTIES", "VALUES", "Frame"]

DEPTH = 4
"""Objects within objects whose leaves become properties of themselves."""
PROPERTIES = 256
"""Values that one frame gives a device."""
NAME = 128
"""Characters of a property's name."""
FRAMES = 500
"""Moments in one message: lines, or times of SenML records."""


class Frame(Struct, frozen=True):
    """What a message says of one moment.

    `body` is a tree of dicts, lists, text, numbers, booleans and `None`, or one bare value; `at` is the source's own
    time in microseconds; `units` are those of the body's keys; `labels` are words that may name the device: the tags of
    a line, the base name of SenML.
    """

    body: object
    at: int | None = None
    units: dict[str, str] = {}
    labels: dict[str, str] = {}
