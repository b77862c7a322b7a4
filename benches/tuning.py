"""Does tuning find better settings of a production line than chance does? Ten lines, each from a start drawn at random.

The same campaign as in the gateway, but its time: each measurement is the mean of ten values of the line.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable

from msgspec import structs

from benches.figures import Figure, show
from learning.tuning.campaign import Campaign
from learning.tuning.manifest import Tuning
from learning.tuning.question import task
from learning.tuning.space import step
from learning.tuning.task import Proposal, Task
from simulator.plant import POWER, RANGES, Made, Plant
from twins.schema import decode

SEEDS = 10
BUDGET = 30
VALUES = 10


def main(quick: bool = False) -> list[Figure]:
    """Good pieces an hour without noise before and after, for tuning and for random search of the same budget."""
    seeds, budget = (2, 12) if quick else (SEEDS, BUDGET)
    from learning.tuning.model import proposed

    def by_chance(task: Task) -> Proposal:
        kept = [each for each in task.seen if min(each.margins) >= 0]
        best = max(kept, key=lambda each: each.objective or 0.0, default=None)
        return Proposal(step(task.axes, task.now, random.Random(task.seed)), -1 if best is None else best.number)

    figures, finals = [], {}
    began = time.process_time()
    searches: dict[str, Callable[[Task], Proposal]] = {"tuning": proposed, "random": by_chance}
    for name, propose in searches.items():
        runs = [_tuned(seed, budget, propose, stride=name == "tuning") for seed in range(seeds)]
        finals[name] = [after for _, after, _, _ in runs]
        for seed, (before, after, best, broken) in enumerate(runs):
            print(f"{name}, seed {seed}: {before:.1f} -> {after:.1f} of {best:.1f}, {broken} trials beyond the power")
        if name == "tuning":
            took = (time.process_time() - began) / (seeds * (budget + 1))
            figures.append(Figure("before, median", statistics.median(b for b, _, _, _ in runs), "pieces/h"))
            figures.append(Figure("the best there is, median", statistics.median(b for _, _, b, _ in runs), "pieces/h"))
            figures.append(Figure("a proposal", took, "s"))
        figures.append(Figure(f"{name}: after, median", statistics.median(finals[name]), "pieces/h"))
        part = statistics.median(after / best for _, after, best, _ in runs)
        figures.append(Figure(f"{name}: part of the best, median", 100 * part, "%"))
        worst = min(after / best for _, after, best, _ in runs)
        figures.append(Figure(f"{name}: part of the best, worst line", 100 * worst, "%"))
        trials = sum(broken for *_, broken in runs)
        figures.append(Figure(f"{name}: trials beyond the power", 100 * trials / (seeds * budget), "%"))
    wins = sum(a > b for a, b in zip(finals["tuning"], finals["random"], strict=True))
    figures.append(Figure("lines on which tuning ends better", wins, f"of {seeds}"))
    show("tuning: the settings of a production line", figures)
    return figures


def _tuned(
    seed: int, budget: int, propose: Callable[[Task], Proposal], *, stride: bool
) -> tuple[float, float, float, int]:
    """Good pieces before and after, the best there is, and trials whose true power is beyond what there is."""
    plant = Plant(seed)
    manifest = decode(_manifest(stride=stride), Tuning, "bench")
    start = tuple(f"{value:g}" for value in plant.start().values())
    campaign = Campaign(manifest.question, (), start).begin(start, "start", 0)
    campaign = _measured(campaign, manifest, plant)
    broken = 0
    for _ in range(budget):
        asked = task(manifest, campaign)
        proposal = propose(structs.replace(asked, seed=asked.seed ^ seed))
        campaign = campaign.prefer(proposal.best).begin(proposal.values, "trial", 0)
        broken += _true(plant, proposal.values).power > POWER
        campaign = _measured(campaign, manifest, plant)
    home = campaign.prefer(propose(task(manifest, campaign)).best).home
    return _true(plant, start).pieces, _true(plant, home).pieces, _best(plant), broken


def _measured(campaign: Campaign, manifest: Tuning, plant: Plant) -> Campaign:
    made = [plant.made(**_settings(campaign.values)) for _ in range(VALUES)]
    objective, power = (statistics.fmean(getattr(each, name) for each in made) for name in ("pieces", "power"))
    return campaign.measured(objective, [power], manifest.constraints, sign=manifest.sign, fall=0.1)


def _settings(values: tuple[str, ...]) -> dict[str, float]:
    return dict(zip(RANGES, map(float, values), strict=True))


def _true(plant: Plant, values: tuple[str, ...]) -> Made:
    return plant.truth(**_settings(values))


def _best(plant: Plant) -> float:
    """By looking at 64,000 settings."""
    grid = [[low + (high - low) * i / 39 for i in range(40)] for low, high in RANGES.values()]
    made = (plant.truth(speed, heat, bar) for speed in grid[0] for heat in grid[1] for bar in grid[2])
    return max(each.pieces for each in made if each.power <= POWER)


def _manifest(*, stride: bool) -> dict[str, object]:
    """A step goes up to a third of the way; random search may go anywhere."""
    parameters = [
        {"device": "press", "property": name, "min": low, "max": high, "step": (high - low) / 80}
        | ({"stride": (high - low) / 3} if stride else {})
        for name, (low, high) in RANGES.items()
    ]
    return {
        "apiVersion": "gemelo.dev/v1alpha1",
        "kind": "Tuning",
        "metadata": {"name": "line"},
        "spec": {
            "parameters": parameters,
            "objective": {"device": "press", "property": "pieces", "goal": "maximize"},
            "constraints": [{"device": "press", "property": "power", "most": POWER}],
        },
    }


if __name__ == "__main__":
    main("--quick" in sys.argv)
