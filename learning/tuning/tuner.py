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
from learning.tuning.ground import Ground, fitting, moved, said
from learning.tuning.manifest import Tuning
from learning.tuning.question import task
from learning.tuning.task import Proposal, Task
from learning.tuning.trials import Counts, Trials
from runtime.clock import Clock
from twins.errors import Rejected, Unavailable
from twins.schema import nearest

logger = logging.getLogger(__name__)

LOOK = 30.0
"""Seconds after which it looks at the clock on the wall again: it may have been set."""
FIRST, LONGEST = 10_000_000, 3_600_000_000
"""Microseconds until a failure is tried again, from the first to the longest."""
Ask = Callable[[Task], Awaitable[Proposal]]


class Trouble(Struct):
    """What keeps a campaign, and when it is tried again."""

    reason: str = ""
    next: int = 0
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
        self.manifests: dict[str, Tuning] = {}
        self.troubles: dict[str, Trouble] = {}
        self._knowledge = knowledge
        self._trials = Trials(knowledge, past, ground, clock, zone)
        self._ground = ground
        self._clock = clock
        self._ask = ask
        self._proposals: dict[str, tuple[Campaign, Proposal]] = {}
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
            self._trials.unseen.add(name)  # a start: what was broken meanwhile is in the store alone
        self.manifests[name] = manifest
        self._changed.set()

    @property
    def counts(self) -> Counts:
        return self._trials.counts

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
        async with self._trials.lock:
            campaign, trial = self._proposed(name, number)
            after = campaign.approve(self._clock.now(), who)
            told = f"trial {trial.number}, approved by {who}, sets {said(self.manifests[name], trial.values)}"
            await self._trials.keep(self.manifests[name], campaign, after, "info", told)
            self._trials.counts.trials += 1
            self._changed.set()
            return after.trials[trial.number]

    async def reject(self, name: str, number: int | None, who: str) -> Trial:
        """Do not make it; another is proposed. Raises `Rejected` (404, 409), `Unavailable`."""
        async with self._trials.lock:
            campaign, trial = self._proposed(name, number)
            after = campaign.reject(who)
            await self._trials.keep(
                self.manifests[name], campaign, after, "info", f"trial {trial.number} was rejected by {who}"
            )
            self._changed.set()
            return after.trials[-1]

    async def resume(self, name: str, who: str) -> None:
        """Go on after a stop, from the values as they are now. Raises `Rejected` (404, 409), `Unavailable`."""
        async with self._trials.lock:
            campaign = self.campaign(name)
            if campaign is None or not campaign.stopped:
                raise Rejected(f"Tuning {name} is not stopped", 409)
            after = campaign.resume(fitting(self.manifests[name], self._ground))
            await self._trials.keep(self.manifests[name], after, after, "info", f"{who} lets it go on")
            self._changed.set()

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
        self._trials.counts.failures += 1
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
            await self._trials.begin(manifest)
            return now
        if campaign.stopped or (campaign.checked is not None and campaign.used >= manifest.spec.budget):
            return never
        if moved(manifest, self._ground, campaign):
            await self._trials.give_way(manifest, campaign)
            return never
        trial = campaign.open
        if trial is None:
            return await self._next(manifest, campaign, now)
        return never if trial.state == "proposed" else await self._trials.look(manifest, campaign, trial)

    async def _next(self, manifest: Tuning, campaign: Campaign, now: int) -> int:
        """Go on with the proposal for this campaign, or ask for one."""
        known = self._proposals.get(manifest.id)
        if known is not None and known[0] is campaign:
            return await self._trials.next(manifest, campaign, known[1], now)
        self._proposals.pop(manifest.id, None)
        self._wanted[manifest.id] = None
        self._thought.set()
        return now + round(LOOK * 1e6)

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
                manifest, campaign = self.manifests.get(name), self._knowledge.campaigns.get(name)
                if manifest is not None and campaign is not None:
                    try:
                        await self._trials.undo(manifest, campaign, reason, "broken")
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
