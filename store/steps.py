"""The points at which a kill would leave something different behind, by name: tests kill at each of them."""

from __future__ import annotations

from collections.abc import Callable

Step = Callable[[str], None]
"""Told the name of a point when it is reached, in whatever thread that is."""

STEPS = (
    "commit:begin",
    "commit:done",
    "seal:cut",
    "seal:written",
    "seal:renamed",
    "seal:entered",
    "results:entered",
    "merge:written",
    "merge:renamed",
    "merge:entered",
    "merge:removed",
    "prune:written",
    "prune:renamed",
    "prune:entered",
    "remove:forgotten",
    "remove:removed",
)
"""Before and after a commit; a cut, each file of a seal before and after it has its name, its transaction; the same of
a merge, until the files go in whose place it came, and of a segment of which some series go; what goes for good."""


def unwatched(_: str) -> None:
    """What is told outside of tests."""
