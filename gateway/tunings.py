"""Campaigns in the gateway: what is decided of one, what is desired because of it, and its event are one commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from gateway.committed import Committed
from gateway.core import Core
from learning.history import Past
from learning.tuning import process
from learning.tuning.campaign import TUNING, Campaign, Trial
from learning.tuning.ground import Settings
from learning.tuning.manifest import Tuning
from learning.tuning.trials import Counts
from learning.tuning.tuner import Ask, Tuner
from runtime.clock import Clock
from twins.errors import Rejected, Unavailable
from twins.exchange import Event, Severity
from twins.stimuli import Edit, Learned, Noted, Stimulus, Updated
from web.tuning import RunView, TuningState, TuningView


class Tunings:
    """Implements `web.tuning.Campaigns` and `learning.tuning.ground.Ground`. The door `tuning`."""

    def __init__(
        self,
        core: Core,
        past: Past,
        zone: str,
        clock: Clock,
        next_cause: Callable[[], str],
        ask: Ask = process.proposal,
    ) -> None:
        self._core = core
        self._clock = clock
        self._next_cause = next_cause
        self._tuner = Tuner(core.knowledge, past, self, clock, zone, ask)

    def apply(self, name: str, manifest: Tuning | None) -> None:
        """Watcher of the kind `Tuning`."""
        self._tuner.apply(name, manifest)

    def tell(self, committed: Committed) -> None:
        """Listener of the core: a limit that broke in this commit is not waited with."""
        if self._core.knowledge.broken:
            self._tuner.wake()

    async def run(self) -> None:
        await self._tuner.run()

    def asked(self, device: str, name: str) -> str | None:
        twin = self._core.twins.get(device)
        held = None if twin is None else twin.properties.get(name)
        if held is None or held.deleted:
            return None
        if held.desired is not None and held.desired.value:
            return held.desired.value
        return None if held.reported is None else held.reported.value

    def reported(self, device: str, name: str) -> str | None:
        twin = self._core.twins.get(device)
        held = None if twin is None else twin.properties.get(name)
        return None if held is None or held.deleted or held.reported is None else held.reported.value

    async def keep(self, name: str, body: bytes, settings: Settings, severity: Severity, message: str) -> None:
        cause, now = self._next_cause(), self._clock.now()
        event = Event(f"{cause}:tuning", now, "tuning", name, severity, f"Tuning: {message}", cause)
        edits: dict[str, dict[str, Edit | None]] = {}
        for (device, each), value in settings.items():
            edits.setdefault(device, {})[each] = Edit(desired=value)
        said: list[Stimulus] = [Updated(device, cause, now, each, now, origin="edge") for device, each in edits.items()]
        said += [Learned("", cause, now, {TUNING + name: body}), Noted("", cause, now, event)]
        try:
            outcome = await self._core.ask(*said)
        except TimeoutError:
            raise Unavailable("the store is behind: what a trial came to could not be kept yet") from None
        if outcome.refused is not None:
            raise Rejected(outcome.refused, outcome.code)

    def views(self) -> Sequence[TuningView]:
        return [self._view(name) for name in sorted(self._tuner.manifests)]

    def trials(self, name: str) -> Sequence[RunView]:
        campaign = self._tuner.campaign(name)
        return [] if campaign is None else [self._run(name, campaign, each) for each in campaign.trials]

    async def approve(self, name: str, trial: int | None, who: str) -> RunView:
        return self._made(name, await self._tuner.approve(name, trial, who))

    async def reject(self, name: str, trial: int | None, who: str) -> RunView:
        return self._made(name, await self._tuner.reject(name, trial, who))

    async def resume(self, name: str, who: str) -> TuningView:
        await self._tuner.resume(name, who)
        return self._view(name)

    def counts(self) -> Iterator[tuple[str, Counts]]:
        yield "tuning", self._tuner.counts

    @property
    def troubles(self) -> Iterator[str]:
        """Why something can't be tuned now."""
        for name, trouble in self._tuner.troubles.items():
            yield f"Tuning {name}: {trouble.reason}"

    def _made(self, name: str, trial: Trial) -> RunView:
        campaign = self._tuner.campaign(name)
        assert campaign is not None  # it has this trial
        return self._run(name, campaign, trial)

    def _run(self, name: str, campaign: Campaign, trial: Trial) -> RunView:
        manifest = self._tuner.manifests[name]
        values = {f"{d}/{p}": v for (d, p), v in zip(manifest.properties, trial.values, strict=True)}
        bounds = manifest.constraints if len(manifest.constraints) == len(trial.means) else ()
        means = {bound.series: mean for bound, mean in zip(bounds, trial.means, strict=False)}
        best = trial.number == campaign.best
        t = trial
        return RunView(t.number, t.purpose, t.state, t.at, values, t.objective, means, t.kept, best, t.reason, t.who)

    def _view(self, name: str) -> TuningView:
        manifest, campaign = self._tuner.manifests[name], self._tuner.campaign(name)
        budget, mode = manifest.spec.budget, manifest.spec.mode
        trouble = self._tuner.troubles.get(name)
        reason = "" if trouble is None else trouble.reason
        if campaign is None or campaign.question != manifest.question:
            return TuningView(name, mode, "failing" if reason else "waiting", reason, 0, budget, None, None, {}, None)
        best = campaign.trials[campaign.best]
        values = {f"{d}/{p}": v for (d, p), v in zip(manifest.properties, campaign.home, strict=True)}
        trial, checked = campaign.open, campaign.checked
        state: TuningState = "thinking"
        if campaign.stopped:
            state, reason = "stopped", campaign.stopped
        elif reason:
            state = "failing"
        elif trial is not None:
            state = "proposed" if trial.state == "proposed" else "measuring"
        elif checked is not None and campaign.used >= budget:
            state = "done"
        before, after = campaign.trials[0].objective, (checked or best).objective
        proposed = trial.number if trial is not None and trial.state == "proposed" else None
        return TuningView(name, mode, state, reason, campaign.used, budget, before, after, values, proposed)
