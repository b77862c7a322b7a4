"""What the stand-in is told at its start. Durations in seconds; the defaults are CloudCore v1.23.1's own."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct


class Options(Struct, frozen=True):
    """Port 0 lets the system choose."""

    data: Path
    host: str = "127.0.0.1"
    https: int = 10002
    ws: int = 10000
    api: int = 10003
    nodes: tuple[str, ...] = ()
    keepalive: float = 30.0
    resend: float = 5.0
    sends: int = 5
    """How often one object is sent before it goes back to the end of the queue."""
    sync: float = 5.0
    """Between two comparisons of what the nodes have with what they should have."""
    lose_first: bool = True
    """CloudCore stores an empty entry for the first report of each property; the second fills it."""
    rules: float = 5.0
    """How long after its start the rule router may lack its rules: CloudCore takes links before it has them all."""
    token_life: float = 24 * 3600.0
    certificate_life: float = 365 * 24 * 3600.0
