"""Carries campaigns on: sets, waits, measures, judges, and proposes what to try next.

Theory of operation. What was decided of a campaign and what is desired of the devices because of it are one commit of
the sequencer (`Ground.keep`), so a gateway that is killed finds itself before a trial or in it, and sets nothing twice.
`_carry` does what is due; `_think` asks the process for proposals, one after the other; `_guard` undoes a trial as soon
as a limit is broken, whatever the others wait for. Each takes the lock from looking at a campaign to its commit.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from msgspec import Struct

from learning.history import Past
from learning.knowledge import Knowledge
from learning.tuning import process
from learning.tuning.campaign import Campaign, Trial
from learning.tuning.ground import Ground, drift, fitting, found, moved, said, settings
from learning.tuning.manifest import Tuning
from learning.tuning.question import task
from learning.tuning.reading import Reading
from learning.tuning.space import allows
from learning.tuning.task import Proposal, Task
from runtime.clock import Clock
from twins.cron import following
from twins.errors import Rejected, Unavailable
from twins.exchange import Severity
from twins.schema import nearest

logger = logging.getLogger(__name__)

LOOK = 30.0
"""Seconds after which it looks at the clock on the wall again: it may have been set."""
FIRST, LONGEST = 10_000_000, 3_600_000_000
"""Microseconds until a failure is tried again, from the first to the longest."""
MINUTE = 60_000_000
Ask = Callable[[Task], Awaitable[Proposal]]


class Trouble(Struct):
    """What keeps a campaign, and when it is tried again."""

    reason: str = ""
    next: int = 0
    failures: int = 0


class Counts(Struct):
    """Of this start, for metrics."""

    trials: int = 0
    undone: int = 0
    failures: int = 0


class Tuner:
    """`apply` manifests at any time; `run` until cancelled; `wake` when a limit may be broken."""

    def __init__(
        self,
        knowledge: Knowledge,
        past: Past,
        ground: Ground,
        clock: Clock,
        zone: str = "UTC",
        ask: Ask = process.proposal,
    ) -> None:
        self.counts = Counts()
        self.manifests: dict[str, Tuning] = {}
        self.troubles: dict[str, Trouble] = {}
        self._knowledge = knowledge
        self._reading = Reading(past)
        self._ground = ground
        self._clock = clock
        self._zone = zone
        self._ask = ask
        self._proposals: dict[str, tuple[Campaign, Proposal]] = {}
        self._unseen: set[str] = set()
        self._lock = asyncio.Lock()
        self._changed, self._thought, self._broke = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._wanted: dict[str, None] = {}

    def apply(self, name: str, manifest: Tuning | None) -> None:
        """This manifest holds from now on; `None`: none of this name, and what is set stays."""
        self._proposals.pop(name, None)
        self.troubles.pop(name, None)
        if manifest is None:
            self.manifests.pop(name, None)
            return
        if name not in self.manifests:
            self._unseen.add(name)  # a start: what was broken meanwhile is in the store alone
        self.manifests[name] = manifest
        self._changed.set()

    def wake(self) -> None:
        """A limit is broken."""
        self._broke.set()

    def campaign(self, name: str) -> Campaign | None:
        """Raises `Rejected` (404)."""
        if name not in self.manifests:
            raise Rejected(f"there is no Tuning {name[:200]}: {nearest(name, self.manifests)}", 404)
        return self._knowledge.campaigns.get(name)

    async def approve(self, name: str, number: int | None, who: str) -> Trial:
        """Make the proposed trial. Raises `Rejected` (404, 409), `Unavailable`."""
        async with self._lock:
            campaign, trial = self._proposed(name, number)
            after = campaign.approve(self._clock.now(), who)
            told = f"trial {trial.number}, approved by {who}, sets {said(self.manifests[name], trial.values)}"
            await self._keep(name, campaign, after, "info", told)
            self.counts.trials += 1
            return after.trials[trial.number]

    async def reject(self, name: str, number: int | None, who: str) -> Trial:
        """Do not make it; another is proposed. Raises `Rejected` (404, 409), `Unavailable`."""
        async with self._lock:
            campaign, trial = self._proposed(name, number)
            after = campaign.reject(who)
            await self._keep(name, campaign, after, "info", f"trial {trial.number} was rejected by {who}")
            return after.trials[-1]

    async def resume(self, name: str, who: str) -> None:
        """Go on after a stop, from the values as they are now. Raises `Rejected` (404, 409), `Unavailable`."""
        async with self._lock:
            campaign = self.campaign(name)
            if campaign is None or not campaign.stopped:
                raise Rejected(f"Tuning {name} is not stopped", 409)
            after = campaign.resume(fitting(self.manifests[name], self._ground))
            await self._keep(name, after, after, "info", f"{who} lets it go on")

    async def run(self) -> None:
        """Carry on what is due, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._carry(), name="tuner.carry")
            group.create_task(self._think(), name="tuner.think")
            group.create_task(self._guard(), name="tuner.guard")

    async def _carry(self) -> None:
        while True:
            self._changed.clear()
            soonest = self._clock.now() + round(LOOK * 1e6)
            for name in list(self.manifests):
                soonest = min(soonest, await self._attempt(name))
            try:
                async with asyncio.timeout(max(0.0, (soonest - self._clock.now()) / 1e6)):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _attempt(self, name: str) -> int:
        """When to look again."""
        now = self._clock.now()
        trouble = self.troubles.get(name)
        if trouble is not None and trouble.next > now:
            return trouble.next
        try:
            following_ = await self._step(name, now)
        except (Rejected, Unavailable) as error:
            return self._failed(name, str(error))
        except Exception as error:  # a fault of ours in one manifest must not stop the gateway
            logger.exception("Tuning %s can't go on", name)
            return self._failed(name, f"{type(error).__name__}: {error}")
        if trouble is not None and self.troubles.get(name) is trouble and name not in self._wanted:
            del self.troubles[name]
        return following_

    def _failed(self, name: str, reason: str) -> int:
        if name not in self.manifests:
            return self._clock.now()
        trouble = self.troubles.setdefault(name, Trouble())
        trouble.failures += 1
        self.counts.failures += 1
        trouble.reason = reason
        trouble.next = self._clock.now() + min(FIRST << min(trouble.failures - 1, 10), LONGEST)
        return trouble.next

    async def _step(self, name: str, now: int) -> int:
        """Do what is due for one; when to look again."""
        manifest, campaign = self.manifests.get(name), self._knowledge.campaigns.get(name)
        never = now + round(LOOK * 1e6)
        if manifest is None:
            return never
        if campaign is None or campaign.question != manifest.question:
            await self._begin(name, manifest)
            return now
        if campaign.stopped or (campaign.checked is not None and campaign.used >= manifest.spec.budget):
            return never
        if moved(manifest, self._ground, campaign):
            await self._yield(name, campaign)
            return never
        trial = campaign.open
        if trial is None:
            return await self._next(name, manifest, campaign, now)
        return never if trial.state == "proposed" else await self._look(name, manifest, campaign, trial)

    async def _begin(self, name: str, manifest: Tuning) -> None:
        async with self._lock:
            values = fitting(manifest, self._ground)
            campaign = Campaign(manifest.question, manifest.limits, values)
            after = campaign.begin(values, "start", self._clock.now())
            await self._keep(
                name, after, after, "info", f"measures {said(self.manifests[name], values)}, as it was found"
            )

    async def _yield(self, name: str, campaign: Campaign) -> None:
        """Somebody else's hand is on a parameter: it does not fight."""
        async with self._lock:
            if self._knowledge.campaigns.get(name) is campaign:
                reason, trial, after = "somebody else set one of its parameters", campaign.open, campaign
                if trial is not None:
                    after = campaign.void(reason) if trial.state == "measuring" else campaign.reject(reason)
                after = after.resume(found(self.manifests[name], self._ground)).stop(reason)
                await self._keep(name, after, after, "warning", f"stops: {reason}; `gemelo learn resume` goes on")

    async def _look(self, name: str, manifest: Tuning, campaign: Campaign, trial: Trial) -> int:
        """At a trial that is under way."""
        now, begun = self._clock.now(), trial.at + manifest.settle
        end = begun + manifest.measure
        if name in self._unseen:
            fault = await self._reading.broken(campaign.limits, trial.at, now)
            self._unseen.discard(name)
            if fault:
                await self._undo(name, campaign, fault, "broken")
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
            await self._undo(name, campaign, stuck or f"{few}, {manifest.spec.minimum} are needed", "void")
            return now
        (_, objective), *means = means_
        async with self._lock:
            if self._knowledge.campaigns.get(name) is campaign:
                after = campaign.measured(
                    objective,
                    [mean for _, mean in means],
                    manifest.constraints,
                    sign=manifest.sign,
                    fall=manifest.spec.fall,
                )
                await self._keep(name, campaign, after, "info", _verdict(campaign, after))
                self.counts.undone += after.values != campaign.values
        return now

    async def _undo(self, name: str, campaign: Campaign, reason: str, how: str) -> None:
        async with self._lock:
            trial = campaign.open
            if self._knowledge.campaigns.get(name) is not campaign or campaign.watched is None:
                return
            if trial is None or trial.state != "measuring":  # between two trials
                told = f"{reason}; back to {said(self.manifests[name], campaign.home)}"
                await self._keep(name, campaign, campaign.back(), "warning", told)
                return
            after = campaign.broken(reason) if how == "broken" else campaign.void(reason)
            if trial.purpose != "trial":  # what was found, or is best, does not hold: a person has to look
                after = after.stop(f"trial {trial.number} ({trial.purpose}): {reason}")
            back = (
                f"back to {said(self.manifests[name], after.values)}"
                if after.values != campaign.values
                else "nothing changes"
            )
            await self._keep(name, campaign, after, "warning", f"trial {trial.number} is {how}: {reason}; {back}")
            self.counts.undone += after.values != campaign.values

    async def _next(self, name: str, manifest: Tuning, campaign: Campaign, now: int) -> int:
        """Nothing is under way: propose, set, or check the best."""
        known = self._proposals.get(name)
        if known is None or known[0] is not campaign:
            self._proposals.pop(name, None)
            self._wanted[name] = None
            self._thought.set()
            return now + round(LOOK * 1e6)
        proposal = known[1]
        auto, due = manifest.spec.mode == "auto", self._due(manifest, now)
        done = campaign.used >= manifest.spec.budget
        async with self._lock:
            if self._knowledge.campaigns.get(name) is not campaign:
                return now
            preferred = campaign.prefer(proposal.best)
            if done:
                after = preferred.begin(preferred.home, "check", now)
                told = f"measures the best once more: {said(self.manifests[name], preferred.home)}"
            elif campaign.values != preferred.home and (not auto or due > now):
                after, told = preferred.back(), f"goes back to the best: {said(self.manifests[name], preferred.home)}"
            elif auto and due > now:
                return due
            elif not allows(manifest.axes, campaign.values, proposal.values):
                raise Unavailable("the process for trials proposed what the envelope does not allow")
            else:
                after = preferred.begin(proposal.values, "trial", now, ask=not auto)
                verb, number = "sets" if auto else "proposes", len(campaign.trials)
                told = f"{verb} {said(self.manifests[name], proposal.values)} as trial {number}"
                self.counts.trials += auto
            await self._keep(name, campaign, after, "info", told)
            return now

    def _due(self, manifest: Tuning, now: int) -> int:
        schedule = manifest.spec.schedule
        return now if not schedule else max(now, following(schedule, now - MINUTE, self._zone))

    async def _think(self) -> None:
        while True:
            self._thought.clear()
            for name in list(self._wanted):
                manifest, campaign = self.manifests.get(name), self._knowledge.campaigns.get(name)
                if manifest is not None and campaign is not None:
                    try:
                        self._proposals[name] = campaign, await self._ask(task(manifest, campaign))
                    except Unavailable as error:
                        self._failed(name, str(error))
                self._wanted.pop(name, None)
                self._changed.set()
            if not self._wanted:
                await self._thought.wait()

    async def _guard(self) -> None:
        while True:
            self._broke.clear()
            for name, reason in list(self._knowledge.broken.items()):
                campaign = self._knowledge.campaigns.get(name)
                if campaign is not None and name in self.manifests:
                    try:
                        await self._undo(name, campaign, reason, "broken")
                    except (Rejected, Unavailable) as error:
                        self._failed(name, str(error))
                        await self._clock.sleep(1.0)
                        self._broke.set()
                        continue
                self._knowledge.broken.pop(name, None)
                self._changed.set()
            await self._broke.wait()

    def _proposed(self, name: str, number: int | None) -> tuple[Campaign, Trial]:
        campaign = self.campaign(name)
        trial = None if campaign is None else campaign.open
        if campaign is None or trial is None or trial.state != "proposed":
            raise Rejected(f"Tuning {name} proposes nothing now", 409)
        if number is not None and number != trial.number:
            raise Rejected(f"Tuning {name} proposes trial {trial.number}, not {number}", 409)
        return campaign, trial

    async def _keep(self, name: str, before: Campaign, after: Campaign, severity: Severity, message: str) -> None:
        changes = settings(self.manifests[name], before.values, after.values)
        try:
            await self._ground.keep(name, after.body, changes, severity, message)
        except Rejected as error:
            if not changes:
                raise
            stopped = after.stop(f"it could not be set: {error}")
            await self._ground.keep(name, stopped.body, {}, "warning", f"stops: {stopped.stopped}")
        self._changed.set()


def _verdict(before: Campaign, after: Campaign) -> str:
    trial = after.trials[-1]
    first, best = after.trials[0].objective, after.trials[after.best].objective
    said = f"trial {trial.number}: the objective is {trial.objective:.6g}"
    if trial.purpose != "start" and first is not None and best is not None:
        said += f"; {first:.6g} at the start, {best:.6g} the best"
    if trial.reason:
        said += f"; {trial.reason}"
    return said + ("; back to the best" if after.values != before.values else "")
