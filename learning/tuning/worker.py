"""The process that proposes one trial: a task on its input, a proposal on its output, then it ends."""

from __future__ import annotations

import os
import resource
import sys
import warnings

from learning.tuning.task import encode, read_task

NICE = 10
MEMORY = 2 << 30
"""Bytes of address space that it may have; what it uses is a tenth of that."""


def main() -> None:
    """Exit codes: 0 with an answer; Python's own for a fault."""
    os.nice(NICE)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, hard))
    task = read_task(sys.stdin.buffer.read())
    warnings.simplefilter("ignore")  # of hyperparameters at their bounds, which few trials often are
    from learning.tuning.model import proposed

    sys.stdout.buffer.write(encode(proposed(task)))


if __name__ == "__main__":
    main()
