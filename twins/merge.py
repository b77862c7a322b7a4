"""Who wins: the one table of how edge and cloud agree.

Reported: the edge wins; the cloud only hears of it. Desired: three values are compared, the one in the cloud, the one
at the edge, and `base`, the value both agreed on last.

| cloud against base | edge against base | result                                   |
|--------------------|-------------------|------------------------------------------|
| same               | same              | nothing to do                            |
| changed            | same              | the cloud's                              |
| same               | changed           | the edge's; reported upward as observed  |
| changed            | changed           | the cloud's; a conflict, told as an event |

Two sides that changed to the same value agree. `None` is "nothing desired".
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Merge(Struct, frozen=True, gc=False):
    """The value both sides go on with, where it came from, and whether the other side's change was lost."""

    value: str | None
    winner: Literal["same", "edge", "cloud"]
    conflict: bool = False


def merge_desired(base: str | None, edge: str | None, cloud: str | None) -> Merge:
    """The desired value after an exchange with the cloud."""
    if edge == cloud:
        return Merge(edge, "same")
    if cloud == base:
        return Merge(edge, "edge")
    return Merge(cloud, "cloud", conflict=edge != base)
