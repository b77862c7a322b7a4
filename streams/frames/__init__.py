"""The kinds of windows: each is a `Frame` over the parts of a lane."""

from __future__ import annotations

from streams.frames.aligned import Aligned
from streams.frames.counted import Counted
from streams.frames.grid import Grid
from streams.frames.making import Making
from streams.frames.session import Sessions
from streams.frames.sliding import Sliding
from streams.lane import Frame
from streams.query import Hopping, Query, Window
from twins.duration import microseconds


def frame_of(query: Query) -> Frame:
    """The frame that a query's window or alignment asks for."""
    spec = query.spec
    late = microseconds(spec.lateness)
    if spec.align is not None:
        return Aligned(spec.align, late)
    making = Making(spec.aggregates)
    match spec.window:
        case Window(tumbling=str() | float() | int() as size):
            return Grid(microseconds(size), microseconds(size), late, making)
        case Window(hopping=Hopping(size, every)):
            return Grid(microseconds(size), microseconds(every), late, making)
        case Window(sliding=str() | float() | int() as size):
            return Sliding(microseconds(size), late, making)
        case Window(session=str() | float() | int() as gap):
            return Sessions(microseconds(gap), late, making)
        case Window(count=count) if count is not None:
            return Counted(count.size, count.every or count.size, making)
        case _:
            raise AssertionError(query.id)  # the manifest has exactly one
