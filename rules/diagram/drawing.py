"""The state graph as SVG, for a page and for itself."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from rules.diagram.columns import HEIGHT, Box, place
from rules.diagram.routes import Route, Router
from rules.diagram.way import Way, short, ways
from rules.manifest.detector import Detector

_MARGIN = 16
_HEAD = "arrow"
_LOOK = (
    "svg{background:var(--paper);font-family:system-ui,sans-serif;--paper:#fff;--line:#5f6368;--box:#f6f7f8;--ink:#202124;--live:#137333;"
    "--lit:#e6f4ea}@media(prefers-color-scheme:dark){svg{--paper:#17191c;--line:#9aa0a6;--box:#24272b;--ink:#e8eaed;"
    "--live:#5bb974;--lit:#16321f}}path{fill:none;stroke:var(--line);stroke-width:1.4}"
    "marker path,.initial{fill:var(--line);stroke:none}rect.box{fill:var(--box);stroke:var(--line)}"
    "text{fill:var(--ink);font-size:12px;text-anchor:middle}.edge text{stroke:var(--paper);stroke-width:4px;"
    "paint-order:stroke;stroke-linejoin:round}.state text{font-size:15px}.live .box{fill:var(--lit);stroke:var(--live);"
    "stroke-width:2.5}.live text{font-weight:700}.count circle{fill:var(--live)}.count text{fill:var(--paper);"
    "font-size:11px}"
)
"""Light and dark, for the drawing by itself."""


def svg(detector: Detector, live: Mapping[str, int] | None = None, *, styled: bool = True) -> str:
    """The states left to right by distance from the initial one. `live` counts the instances in each.

    Without `styled` it has no colours, for a page that has its own.

    Classes: `detector`, `state`, `state live`, `edge`, `edge back`, `count`; `data-state`, `data-from` and `data-to`
    name what stands for what. Conditions are tooltips, and all of it is told in the description.
    """
    arrows = list(ways(detector))
    boxes = place(list(detector.spec.states), detector.spec.initial, arrows)
    routes = Router(boxes, arrows).routes()
    counts = {name: (live or {}).get(name, 0) for name in boxes}
    left, top, right, bottom = _extent(boxes, routes)
    size = f'viewBox="{left} {top} {right - left} {bottom - top}" width="{right - left}" height="{bottom - top}"'
    start = boxes[detector.spec.initial]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="detector" {size} role="img">',
            f"<title>{escape(detector.id)}</title>",
            f"<desc>{escape(_told(detector, arrows, counts))}</desc>",
            *([f"<style>{_LOOK}</style>"] if styled else []),
            f'<defs><marker id="{_HEAD}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="11" markerHeight="11" '
            'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>',
            f'<path class="edge" d="M{start.x - 34} {start.middle}H{start.x}" marker-end="url(#{_HEAD})"/>',
            f'<circle class="initial" cx="{start.x - 37}" cy="{start.middle}" r="5"/>',
            *(_state(name, box, counts[name]) for name, box in boxes.items()),
            *(_edge(route) for route in routes),
            "</svg>",
        ]
    )


def _state(name: str, box: Box, count: int) -> str:
    return (
        f'<g class="state{" live" if count else ""}" data-state="{escape(name)}"><title>{escape(name)}</title>'
        f'<rect class="box" x="{box.x}" y="{box.y}" width="{box.width}" height="{HEIGHT}" rx="9"/>'
        f'<text x="{box.centre}" y="{box.middle + 5}" text-anchor="middle">{escape(short(name))}</text>'
        f"{_badge(box, count) if count else ''}</g>"
    )


def _badge(box: Box, count: int) -> str:
    x, y = box.right - 14, box.y
    text = str(count) if count < 1000 else f"{count // 1000}k"
    return (
        f'<g class="count"><circle cx="{x}" cy="{y}" r="{9 if len(text) < 3 else 13}"/>'
        f'<text x="{x}" y="{y + 4}" text-anchor="middle">{text}</text></g>'
    )


def _edge(route: Route) -> str:
    way = route.way
    return (
        f'<g class="edge{" back" if route.back else ""}" data-from="{escape(way.source)}" '
        f'data-to="{escape(way.target)}"><title>{escape(way.told)}</title>'
        f'<path d="{route.path}" marker-end="url(#{_HEAD})"/>'
        f'<text x="{route.x}" y="{route.y}" text-anchor="middle">{escape(way.label)}</text></g>'
    )


def _extent(boxes: Mapping[str, Box], routes: list[Route]) -> tuple[int, int, int, int]:
    """Everything, with a margin. Of paths their points: a curve lies within them."""
    xs = [x for box in boxes.values() for x in (box.x - 42 * (not box.column), box.right)]
    ys = [y for box in boxes.values() for y in (box.y - 10, box.bottom)]
    for route in routes:
        points = [int(each) for each in "".join(c if c in "-0123456789" else " " for c in route.path).split()]
        if "V" not in route.path:
            xs += points[0::2]
            ys += points[1::2]
        xs += [route.area[0], route.area[2]]
        ys += [route.area[1], route.area[3]]
    return min(xs) - _MARGIN, min(ys) - _MARGIN, max(xs) + _MARGIN, max(ys) + _MARGIN


def _told(detector: Detector, arrows: list[Way], counts: Mapping[str, int]) -> str:
    """The drawing in words."""
    states = [f"{name} ({count} now)" if count else name for name, count in counts.items()]
    return ". ".join(
        [f"It begins in {detector.spec.initial}", f"States: {', '.join(states)}", *(way.told for way in arrows)]
    )
