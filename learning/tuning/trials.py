"""What is done with one campaign at a time, each step in one commit: begin, look at a trial, judge, undo, go on."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from learning.history import Past
from learning.knowledge import Knowledge
from learning.tuning.campaign import Campaign, Trial
from learning.tuning.ground import Ground, drift, fitting, found, said, settings
from learning.tuning.manifest import Tuning
from learning.tuning.reading import Reading
from learning.tuning.space import allows
from learning.tuning.task import Proposal
from runtime.clock import Clock
from twins.cron import following
from twins.errors import Rejected, Unavailable
from twins.exchange import Severity

MINUTE = 60_000_000


class Counts(Struct):
    """Of this start, for metrics."""

    trials: int = 0
    undone: int = 0
    failures: int = 0


class Trials:
    """Holds the `lock` from looking at a campaign to its commit. Of `unseen` names the store is asked first whether a
    limit was broken: nobody watched it."""

    def __init__(self, knowledge: Knowledge, past: Past, ground: Ground, clock: Clock, zone: str) -> None:
        self.counts = Counts()
        self.lock = asyncio.Lock()
        self.unseen: set[str] = set()
        self._knowledge = knowledge
        self._reading = Reading(past)
        self._ground = ground
        self._clock = clock
        self._zone = zone

    async def begin(self, manifest: Tuning) -> None:
        async with self.lock:
            values = fitting(manifest, self._ground)
            campaign = Campaign(manifest.question, manifest.limits, values)
            after = campaign.begin(values, "start", self._clock.now())
            await self.keep(manifest, after, after, "info", f"measures {said(manifest, values)}, as it was found")

    async def give_way(self, manifest: Tuning, campaign: Campaign) -> None:
        """Somebody else's hand is on a parameter: it does not fight."""
        async with self.lock:
            if self._knowledge.campaigns.get(manifest.id) is campaign:
                reason, trial, after = "somebody else set one of its parameters", campaign.open, campaign
                if trial is not None:
                    after = campaign.void(reason) if trial.state == "measuring" else campaign.reject(reason)
                after = after.resume(found(manifest, self._ground)).stop(reason)
                await self.keep(manifest, after, after, "warning", f"stops: {reason}; `gemelo learn resume` goes on")

    async def look(self, manifest: Tuning, campaign: Campaign, trial: Trial) -> int:
        """At a trial that is under way."""
        now, begun = self._clock.now(), trial.at + manifest.settle
        end = begun + manifest.measure
        if manifest.id in self.unseen:
            fault = await self._reading.broken(campaign.limits, trial.at, now)
            self.unseen.discard(manifest.id)
            if fault:
                await self.undo(manifest, campaign, fault, "broken")
                return now
        if now < end:
            return end
        stuck = drift(manifest, self._ground, campaign)
        series = [manifest.objective, *(bound.series for bound in manifest.constraints)]
        means_ = await self._reading.means(series, begun, end)
        few = next(
            (
                f"{each} has {n} points"
                for each, (n, _) in zip(series, means_, strict=True)
                if n < manifest.spec.minimum
            ),
            "",
        )
        if stuck or few:
            await self.undo(manifest, campaign, stuck or f"{few}, {manifest.spec.minimum} are needed", "void")
            return now
        (_, objective), *means = means_
        async with self.lock:
            if self._knowledge.campaigns.get(manifest.id) is campaign:
                after = campaign.measured(
                    objective,
                    [mean for _, mean in means],
                    manifest.constraints,
                    sign=manifest.sign,
                    fall=manifest.spec.fall,
                )
                await self.keep(manifest, campaign, after, "info", _verdict(campaign, after))
                self.counts.undone += after.values != campaign.values
        return now

    async def undo(self, manifest: Tuning, campaign: Campaign, reason: str, how: str) -> None:
        async with self.lock:
            trial = campaign.open
            if self._knowledge.campaigns.get(manifest.id) is not campaign or campaign.watched is None:
                return
            if trial is None or trial.state != "measuring":  # between two trials
                told = f"{reason}; back to {said(manifest, campaign.home)}"
                await self.keep(manifest, campaign, campaign.back(), "warning", told)
                return
            after = campaign.broken(reason) if how == "broken" else campaign.void(reason)
            if trial.purpose != "trial":  # what was found, or is best, does not hold: a person has to look
                after = after.stop(f"trial {trial.number} ({trial.purpose}): {reason}")
            back = f"back to {said(manifest, after.values)}" if after.values != campaign.values else "nothing changes"
            await self.keep(manifest, campaign, after, "warning", f"trial {trial.number} is {how}: {reason}; {back}")
            self.counts.undone += after.values != campaign.values

    async def next(self, manifest: Tuning, campaign: Campaign, proposal: Proposal, now: int) -> int:
        """Nothing is under way: propose, set, or check the best; when to look again."""
        auto, due = manifest.spec.mode == "auto", self._due(manifest, now)
        done = campaign.used >= manifest.spec.budget
        async with self.lock:
            if self._knowledge.campaigns.get(manifest.id) is not campaign:
                return now
            preferred = campaign.prefer(proposal.best)
            if done:
                after = preferred.begin(preferred.home, "check", now)
                told = f"measures the best once more: {said(manifest, preferred.home)}"
            elif campaign.values != preferred.home and (not auto or due > now):
                after, told = preferred.back(), f"goes back to the best: {said(manifest, preferred.home)}"
            elif auto and due > now:
                return due
            elif not allows(manifest.axes, campaign.values, proposal.values):
                raise Unavailable("the process for trials proposed what the envelope does not allow")
            else:
                after = preferred.begin(proposal.values, "trial", now, ask=not auto)
                verb, number = "sets" if auto else "proposes", len(campaign.trials)
                told = f"{verb} {said(manifest, proposal.values)} as trial {number}"
                self.counts.trials += auto
            await self.keep(manifest, campaign, after, "info", told)
            return now

    def _due(self, manifest: Tuning, now: int) -> int:
        schedule = manifest.spec.schedule
        return now if not schedule else max(now, following(schedule, now - MINUTE, self._zone))

    async def keep(self, manifest: Tuning, before: Campaign, after: Campaign, severity: Severity, message: str) -> None:
        """With the lock held. What can't be set stops the campaign. Raises `Rejected`, `Unavailable`."""
        changes = settings(manifest, before.values, after.values)
        try:
            await self._ground.keep(manifest.id, after.body, changes, severity, message)
        except Rejected as error:
            if not changes:
                raise
            stopped = after.stop(f"it could not be set: {error}")
            await self._ground.keep(manifest.id, stopped.body, {}, "warning", f"stops: {stopped.stopped}")


def _verdict(before: Campaign, after: Campaign) -> str:
    trial = after.trials[-1]
    first, best = after.trials[0].objective, after.trials[after.best].objective
    said = f"trial {trial.number}: the objective is {trial.objective:.6g}"
    if trial.purpose != "start" and first is not None and best is not None:
        said += f"; {first:.6g} at the start, {best:.6g} the best"
    if trial.reason:
        said += f"; {trial.reason}"
    return said + ("; back to the best" if after.values != before.values else "")
