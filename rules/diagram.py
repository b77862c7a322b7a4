"""A detector drawn: Mermaid text, and SVG without an external program. Where instances are is marked `live`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import NamedTuple

from rules.manifest.detector import Detector, Transition

_WIDTH, _HEIGHT = 140, 44
_ACROSS, _DOWN = 110, 66
_MARGIN = 56
_LONGEST = 20


class _Box(NamedTuple):
    x: int
    y: int

    @property
    def middle(self) -> int:
        return self.y + _HEIGHT // 2


def mermaid(detector: Detector, live: Mapping[str, int] | None = None) -> str:
    """The state graph as Mermaid's `stateDiagram-v2`. `live` counts the instances in each state."""
    names = {name: f"s{at}" for at, name in enumerate(detector.spec.states)}
    lines = ["stateDiagram-v2", "  direction LR"]
    lines += [f'  state "{_entities(name)}" as {short}' for name, short in names.items()]
    lines.append(f"  [*] --> {names[detector.spec.initial]}")
    for source, arrow in _arrows(detector):
        lines.append(f"  {names[source]} --> {names[arrow.to]}: {_entities(_title(arrow))}")
    marked = [names[name] for name, count in (live or {}).items() if count and name in names]
    if marked:
        lines += ["  classDef live stroke-width:3px", f"  class {','.join(marked)} live"]
    return "\n".join(lines) + "\n"


def svg(detector: Detector, live: Mapping[str, int] | None = None) -> str:
    """The state graph as SVG for a page, drawn left to right by distance from the initial state.

    Classes for the page's style sheet: `detector`, `state`, `state live`, `edge`, `edge back`, `count`. Conditions
    are tooltips. `live` counts the instances in each state.
    """
    boxes = _layout(detector)
    width = max(box.x for box in boxes.values()) + _WIDTH + _MARGIN
    height = max(box.y for box in boxes.values()) + _HEIGHT + _MARGIN + _DOWN // 2
    head = f"arrow-{detector.metadata.namespace}-{detector.metadata.name}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="detector" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" font-family="sans-serif" font-size="13">',
        f"<title>{escape(detector.id)}</title>",
        f'<defs><marker id="{escape(head)}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0L8 4L0 8z" fill="context-stroke"/></marker></defs>',
    ]
    start = boxes[detector.spec.initial]
    parts.append(f'<path class="edge" d="M{start.x - 36} {start.middle}H{start.x}" {_stroke(head)}/>')
    parts.append(f'<circle class="initial" cx="{start.x - 38}" cy="{start.middle}" r="5"/>')
    parts += [_edge(source, arrow, boxes, head) for source, arrow in _arrows(detector)]
    parts += [_state(name, box, (live or {}).get(name, 0)) for name, box in boxes.items()]
    return "\n".join([*parts, "</svg>"])


def _arrows(detector: Detector) -> Iterator[tuple[str, Transition]]:
    for name, state in detector.spec.states.items():
        for arrow in state.on_input.transitions:
            yield name, arrow


def _layout(detector: Detector) -> dict[str, _Box]:
    """A column per distance from the initial state, the states of a column below each other."""
    states = detector.spec.states
    layers: list[list[str]] = [[detector.spec.initial]]
    placed = {detector.spec.initial}
    while layers[-1]:
        following = [arrow.to for name in layers[-1] for arrow in states[name].on_input.transitions]
        layers.append([name for name in dict.fromkeys(following) if name not in placed])
        placed.update(layers[-1])
    return {
        name: _Box(_MARGIN + column * (_WIDTH + _ACROSS), _MARGIN + row * (_HEIGHT + _DOWN))
        for column, layer in enumerate(layers)
        for row, name in enumerate(layer)
    }


def _state(name: str, box: _Box, count: int) -> str:
    kind = "state live" if count else "state"
    look = 'fill="#e6f4ea" stroke="#137333" stroke-width="2.5"' if count else 'fill="#fff" stroke="#5f6368"'
    corner = f'x="{box.x + _WIDTH - 8}" y="{box.y + 15}" font-size="11" text-anchor="end"'
    badge = f'<text class="count" {corner}>{count}</text>' if count else ""
    return (
        f'<g class="{kind}" data-state="{escape(name)}"><title>{escape(name)}</title>'
        f'<rect x="{box.x}" y="{box.y}" width="{_WIDTH}" height="{_HEIGHT}" rx="8" {look}/>'
        f'<text x="{box.x + _WIDTH // 2}" y="{box.middle + 5}" text-anchor="middle">{escape(_short(name))}</text>'
        f"{badge}</g>"
    )


def _edge(source: str, arrow: Transition, boxes: dict[str, _Box], head: str) -> str:
    start, end = boxes[source], boxes[arrow.to]
    kind = "edge"
    if source == arrow.to:
        path, x, y = _loop(start)
    elif end.x > start.x:
        path, x, y = _forward(start, end)
    else:
        kind = "edge back"
        path, x, y = _back(start, end)
    label = f'<text x="{x}" y="{y}" font-size="11" text-anchor="middle">{escape(_short(_title(arrow)))}</text>'
    told = escape(f"{_title(arrow)}: {arrow.when or 'always'}")
    ways = f'data-from="{escape(source)}" data-to="{escape(arrow.to)}"'
    return f'<g class="{kind}" {ways}><title>{told}</title><path d="{path}" {_stroke(head)}/>{label}</g>'


def _forward(start: _Box, end: _Box) -> tuple[str, int, int]:
    left, right = start.x + _WIDTH, end.x
    bend = (right - left) // 2
    path = f"M{left} {start.middle}C{left + bend} {start.middle} {right - bend} {end.middle} {right} {end.middle}"
    return path, (left + right) // 2, (start.middle + end.middle) // 2 - 7


def _back(start: _Box, end: _Box) -> tuple[str, int, int]:
    """Below the boxes, from bottom to bottom."""
    left, right = end.x + _WIDTH // 2, start.x + _WIDTH // 2
    low = max(start.y, end.y) + _HEIGHT + 44
    if left == right:  # same column: round the left side
        side = start.x - 40
        path = f"M{start.x} {start.middle}C{side} {start.middle} {side} {end.middle} {end.x} {end.middle}"
        return path, start.x - 34, (start.middle + end.middle) // 2
    path = f"M{right} {start.y + _HEIGHT}C{right} {low} {left} {low} {left} {end.y + _HEIGHT}"
    return path, (left + right) // 2, low + 4


def _loop(box: _Box) -> tuple[str, int, int]:
    x = box.x + _WIDTH // 2
    return f"M{x - 22} {box.y}C{x - 30} {box.y - 36} {x + 30} {box.y - 36} {x + 22} {box.y}", x, box.y - 30


def _stroke(head: str) -> str:
    return f'fill="none" stroke="#5f6368" marker-end="url(#{escape(head)})"'


def _title(arrow: Transition) -> str:
    name = arrow.name or arrow.to
    return name if arrow.hold is None else f"{name} (for {arrow.hold})"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _entities(text: str) -> str:
    """Mermaid's own escapes, `#58;` for a colon, for all that is not plain."""
    return "".join(each if each.isalnum() or each in " -_.()" else f"#{ord(each)};" for each in text)
