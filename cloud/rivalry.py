"""Is there a second node of our name? Pure.

CloudHub takes a node's newest connection and closes the one before it, without a word. Two nodes of one name so push
each other out for ever: KubeEdge's edge is back after 30 s, this gateway in less than one. What it looks like from
here: the cloud takes every connection, and closes it again soon. A cloud that restarts, or a network that fails,
refuses some connections in between, and the count starts anew.
"""

from __future__ import annotations

SHORT = 45.0
"""Seconds: a link that lived longer had no rival; KubeEdge's own would be back by then."""
STRIKES = 4
"""Short links in a row that raise the suspicion."""
TRUCE, LONGEST = 10.0, 60.0
"""Seconds to leave the link to the other at first, and at most: a network that flaps looks the same."""


class Rivalry:
    """Counts links that ended."""

    def __init__(self) -> None:
        self._strikes = 0

    @property
    def suspected(self) -> bool:
        return self._strikes >= STRIKES

    @property
    def truce(self) -> float:
        """Seconds to leave the link to the other; twice as long each time, as a suspicion may be wrong at first."""
        return min(LONGEST, TRUCE * 2.0 ** min(8, self._strikes - STRIKES))

    def ended(self, lasted: float, *, dropped: bool) -> None:
        """A link is over after `lasted` seconds; `dropped` by the cloud, not by us."""
        self._strikes = self._strikes + 1 if dropped and lasted < SHORT else 0

    def refused(self) -> None:
        """No connection could be made: it is no rival that keeps us away."""
        self._strikes = 0


def accusation(node: str) -> str:
    """What to tell people, and how to mend it."""
    return (
        f"CloudCore takes each connection of node {node} and closes it again at once: a second node of this name seems "
        "to be there; give one of them another [node] name and a certificate of its own (gemelo cloud join)"
    )
