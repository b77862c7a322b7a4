"""A detector drawn: Mermaid text, and SVG without an external program. Where instances are is marked `live`."""

from __future__ import annotations

from rules.diagram.drawing import svg
from rules.diagram.text import mermaid

__all__ = ["mermaid", "svg"]
