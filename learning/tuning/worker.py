"""The process that proposes one trial: a task on its input, a proposal on its output, then it ends."""

from __future__ import annotations

import sys
import warnings

from learning import worker
from learning.tuning.task import encode, read_task


def main() -> None:
    """Exit codes: 0 with an answer; Python's own for a fault."""
    task = read_task(worker.task())
    warnings.simplefilter("ignore")  # of hyperparameters at their bounds, which few trials often are
    from learning.tuning.model import proposed

    sys.stdout.buffer.write(encode(proposed(task)))


if __name__ == "__main__":
    main()
