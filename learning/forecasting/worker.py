"""The process that makes one forecast: a task on its input, an answer on its output, then it ends."""

from __future__ import annotations

import sys
import warnings

from learning import worker
from learning.forecasting.task import encode, read_task


def main() -> None:
    """Exit codes: 0 with an answer; Python's own for a fault."""
    task = read_task(worker.task())
    warnings.simplefilter("ignore")  # of fits that do not converge: the back-test tells what they are worth
    from learning.forecasting.contest import held

    sys.stdout.buffer.write(encode(held(task)))


if __name__ == "__main__":
    main()
