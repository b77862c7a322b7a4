"""What the process that proposes trials is asked."""

from __future__ import annotations

from learning.tuning.campaign import Campaign
from learning.tuning.manifest import Tuning
from learning.tuning.task import Seen, Task
from twins.digest import digest


def task(manifest: Tuning, campaign: Campaign) -> Task:
    """What the process is to think about."""
    seen = []
    for each in campaign.trials:
        if each.state == "measured" and each.objective is not None:
            margins = [
                m
                for bound, mean in zip(manifest.constraints, each.means, strict=True)
                for m in _margins(bound.least, bound.most, mean)
            ]
            seen.append(Seen(each.number, each.values, manifest.sign * each.objective, tuple(margins)))
        elif each.state == "broken":
            seen.append(Seen(each.number, each.values, None))
    return Task(
        manifest.axes, campaign.values, tuple(seen), digest(manifest.id, str(len(campaign.trials)).encode()) % 2**32
    )


def _margins(least: float | None, most: float | None, mean: float) -> list[float]:
    return ([] if least is None else [mean - least]) + ([] if most is None else [most - mean])
