"""The arrows of a detector, with the words that stand beside them."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from rules.manifest.detector import Detector

LONGEST = 26
"""Characters of a label; all of it is in the arrow's title."""


class Way(Struct, frozen=True):
    """One arrow. `label` is its name, or else its condition, shortened; `told` all there is to say of it."""

    source: str
    target: str
    label: str
    told: str


def ways(detector: Detector) -> Iterator[Way]:
    """In the order of the manifest."""
    for source, state in detector.spec.states.items():
        for arrow in state.on_input.transitions:
            condition = " ".join((arrow.when or "always").split())
            hold = "" if arrow.hold is None else f" for {arrow.hold}"
            room = LONGEST - len(hold)
            label = short(arrow.name or condition, room) + hold
            named = f"{arrow.name}: " if arrow.name else ""
            yield Way(source, arrow.to, label, f"{source} → {arrow.to}: {named}{condition}{hold}")


def short(text: str, most: int = LONGEST) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
