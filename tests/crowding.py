"""How busy the machine is: limits in seconds are meant for a machine of our own."""

from __future__ import annotations

import os


def crowding() -> float:
    """How many programs want each core; 1 on a machine of our own. Threads of one core slow each other too."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
