"""What the processes that compute have in common: they give way to the gateway, and their memory has an end."""

from __future__ import annotations

import os
import resource
import sys

NICE = 10
MEMORY = 2 << 30
"""Bytes of address space that one may have; what it uses is a tenth of that."""


def task() -> bytes:
    """Be bounded from now on; what is to be done, as it stands on the input."""
    os.nice(NICE)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, hard))
    return sys.stdin.buffer.read()
