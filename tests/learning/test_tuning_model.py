"""What is proposed: always a step that is allowed, the same for the same task, and away from what was broken."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator

import pytest

from learning.tuning import process
from learning.tuning.space import Axis, allows
from learning.tuning.task import Proposal, Seen, Task
from tests.clock import in_virtual_time
from twins.errors import Unavailable

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'gemelo[learning]'")

AXES = (Axis(0, 10, 0.5, 2), Axis(choices=("eco", "fast")))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in its process
        yield


def proposed(task: Task) -> Proposal:
    from learning.tuning.model import proposed

    return proposed(task)


def seen(count: int, limit: float = 6.0) -> tuple[Seen, ...]:
    chance, found = random.Random(1), []
    for number in range(count):
        x, word = chance.randrange(21) / 2, chance.choice(("eco", "fast"))
        found.append(Seen(number, (f"{x:g}", word), x + (word == "fast"), (limit - x,)))
    return tuple(found)


@pytest.mark.parametrize("count", [1, 2, 3, 12])
def test_a_proposal_is_one_step_away_and_the_same_for_the_same_task(count: int) -> None:
    task = Task(AXES, ("5", "eco"), seen(count), 7)
    one = proposed(task)
    assert allows(AXES, task.now, one.values)
    assert proposed(task) == one


def test_the_best_kept_its_constraint_and_the_next_is_not_where_it_is_surely_broken() -> None:
    trials = seen(20)
    proposal = proposed(Task(AXES, ("6", "eco"), trials, 7))
    assert min(trials[proposal.best].margins) >= 0
    assert 5 <= float(proposal.values[0]) <= 6.5
    assert proposal.values[1] == "fast"


def test_where_all_broke_it_goes_to_where_it_is_most_likely_kept() -> None:
    proposal = proposed(Task(AXES, ("5", "eco"), seen(12, limit=-1.0), 7))
    assert proposal.best == -1
    assert float(proposal.values[0]) == 3.0


@pytest.mark.parametrize("count", [1, 3])
def test_trials_that_broke_a_limit_are_kept_away_from(count: int) -> None:
    good = [Seen(n, (f"{3 + n / 2:g}",), 3 + n / 2) for n in range(8)]
    broke = [Seen(8 + n, (f"{9 + n / 2:g}",), None) for n in range(count)]
    proposal = proposed(Task(AXES[:1], ("7.5",), (*good, *broke), 7))
    assert float(proposal.values[0]) < 9


@in_virtual_time
async def test_without_the_library_it_says_what_to_install() -> None:
    needed, process.NEEDED = process.NEEDED, ("no_such_package",)
    try:
        with pytest.raises(Unavailable, match="pip install 'gemelo\\[learning\\]'"):
            await process.proposal(Task(AXES, ("5", "eco"), (), 1))
    finally:
        process.NEEDED = needed
