"""The process that makes one forecast: a task on its input, an answer on its output, then it ends."""

from __future__ import annotations

import os
import resource
import sys
import warnings

from learning.forecasting.task import encode, read_task

NICE = 10
MEMORY = 2 << 30
"""Bytes of address space that it may have; what it uses is a tenth of that."""


def main() -> None:
    """Exit codes: 0 with an answer; Python's own for a fault."""
    os.nice(NICE)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, hard))
    task = read_task(sys.stdin.buffer.read())
    warnings.simplefilter("ignore")  # of fits that do not converge: the back-test tells what they are worth
    from learning.forecasting.contest import held

    sys.stdout.buffer.write(encode(held(task)))


if __name__ == "__main__":
    main()
