"""How Python itself is set for a gateway."""

from __future__ import annotations

import gc
import weakref

from gateway.interpreter import settle


class Circle:
    """Only the collector lets it go."""

    def __init__(self) -> None:
        self.own = self


def test_what_an_earlier_start_made_is_let_go_at_the_next() -> None:
    try:
        earlier = Circle()
        settle()
        watched = weakref.ref(earlier)
        del earlier
        gc.collect()
        assert watched() is not None, "nothing was settled"
        settle()
        assert watched() is None
    finally:
        gc.unfreeze()
