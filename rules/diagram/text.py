"""The state graph as Mermaid's `stateDiagram-v2`."""

from __future__ import annotations

from collections.abc import Mapping

from rules.diagram.way import ways
from rules.manifest.detector import Detector


def mermaid(detector: Detector, live: Mapping[str, int] | None = None) -> str:
    """`live` counts the instances in each state."""
    names = {name: f"s{at}" for at, name in enumerate(detector.spec.states)}
    lines = ["stateDiagram-v2", "  direction LR"]
    lines += [f'  state "{_entities(name)}" as {short}' for name, short in names.items()]
    lines.append(f"  [*] --> {names[detector.spec.initial]}")
    lines += [f"  {names[way.source]} --> {names[way.target]}: {_entities(way.label)}" for way in ways(detector)]
    marked = [names[name] for name, count in (live or {}).items() if count and name in names]
    if marked:
        lines += ["  classDef live stroke-width:3px", f"  class {','.join(marked)} live"]
    return "\n".join(lines) + "\n"


def _entities(text: str) -> str:
    """Mermaid's own escapes, `#58;` for a colon, for all that is not plain."""
    return "".join(each if each.isalnum() or each in " -_.()" else f"#{ord(each)};" for each in text)
