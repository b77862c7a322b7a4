"""Runs named parts in one group: restarts those whose peer is away, ends all when one is broken, stops in order.

    supervisor = Supervisor(clock, transient=Unavailable)
    supervisor.add(Part("store", store.run, deadline=10.0))
    supervisor.add(Part("mqtt", link.run))
    await supervisor.run()                      # until stop(), or an error that is not transient

Parts start in the order in which they were added and stop, one after the other, in the reverse order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from msgspec import Struct

from runtime.backoff import Backoff
from runtime.clock import Clock

logger = logging.getLogger(__name__)

State = Literal["new", "running", "waiting", "done", "stopped", "stuck", "broken"]


class Part(Struct, frozen=True):
    """Something that runs until it is cancelled. `deadline` is the time in seconds it may take to stop."""

    name: str
    run: Callable[[], Awaitable[None]]
    deadline: float = 5.0


class Health(Struct):
    """How a part is. `waiting` means that its peer is away and it will be tried again; `reason` says why."""

    name: str
    state: State = "new"
    restarts: int = 0
    reason: str = ""
    since: float = 0.0


class Supervisor:
    """`transient` is what a part raises when it should be tried again; anything else ends them all.

    `on_stuck` gets the names of parts that would not stop: their tasks cannot be ended from outside, so the process
    has to be (`os._exit`); without it `run()` goes on waiting for them. After a run of `settled` seconds a part's
    backoff starts anew.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        transient: type[Exception],
        backoff: Callable[[], Backoff] = Backoff,
        settled: float = 30.0,
        on_stuck: Callable[[Sequence[str]], None] | None = None,
    ) -> None:
        self._clock = clock
        self._transient = transient
        self._backoff = backoff
        self._settled = settled
        self._on_stuck = on_stuck
        self._parts: dict[str, Part] = {}
        self._health: dict[str, Health] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._stopping = asyncio.Event()

    @property
    def health(self) -> list[Health]:
        """One a part, in the order of starting."""
        return list(self._health.values())

    def add(self, part: Part) -> None:
        """Before or while `run()`; the name must be new."""
        if part.name in self._parts:
            msg = f"there is a part {part.name!r} already"
            raise ValueError(msg)
        self._parts[part.name] = part
        self._health[part.name] = Health(part.name, since=self._clock.monotonic())
        if self._group is not None and not self._stopping.is_set():
            self._start(part)

    async def run(self) -> None:
        """Run until `stop()` or cancellation (parts stop in order) or a broken part (raises an ExceptionGroup)."""
        try:
            async with asyncio.TaskGroup() as self._group:
                for part in self._parts.values():
                    self._start(part)
                try:
                    await self._stopping.wait()
                finally:
                    await self._stop_all()
        finally:
            self._group = None

    def stop(self) -> None:
        """Ask `run()` to stop all parts and return."""
        self._stopping.set()

    async def replace(self, part: Part) -> None:
        """Stop the part of that name and start this one in its place (a changed section of the configuration)."""
        if not await self._stop(self._parts[part.name]):
            msg = f"{part.name} does not stop within {part.deadline:g} s, so it cannot be replaced; restart the gateway"
            raise self._transient(msg)
        self._parts[part.name] = part
        self._start(part)

    def _start(self, part: Part) -> None:
        assert self._group is not None  # run() is under way
        self._tasks[part.name] = self._group.create_task(self._keep(part), name=part.name)

    async def _keep(self, part: Part) -> None:
        """Run a part, again and again while what it needs is away."""
        backoff = self._backoff()
        while True:
            started = self._clock.monotonic()
            self._mark(part, "running")
            try:
                await part.run()
            except Exception as error:
                reason = self._passing(error)
                if not reason:
                    self._mark(part, "broken", f"{type(error).__name__}: {error}")
                    raise
                if self._clock.monotonic() - started >= self._settled:
                    backoff.reset()
                delay = backoff.next()
                self._health[part.name].restarts += 1
                self._mark(part, "waiting", reason)
                logger.warning("%s: %s; again in %.1f s", part.name, reason, delay)
                await self._clock.sleep(delay)
            else:
                self._mark(part, "done")
                return

    def _passing(self, error: Exception) -> str:
        """The reason when the part should be tried again, also when its own group of tasks wrapped it; else empty."""
        if isinstance(error, ExceptionGroup):
            reasons = [self._passing(each) for each in error.exceptions]
            return "; ".join(dict.fromkeys(reasons)) if all(reasons) else ""
        return (str(error) or type(error).__name__) if isinstance(error, self._transient) else ""

    async def _stop_all(self) -> None:
        for part in reversed(self._parts.values()):
            await self._stop(part)
        stuck = [health.name for health in self.health if health.state == "stuck"]
        if stuck and self._on_stuck is not None:
            self._on_stuck(stuck)

    async def _stop(self, part: Part) -> bool:
        """True when it stopped within its deadline."""
        task = self._tasks.get(part.name)
        if task is None or task.done():
            return True
        task.cancel()
        _, pending = await asyncio.wait({task}, timeout=part.deadline)
        self._mark(part, "stuck" if pending else "stopped")
        if pending:
            logger.error("%s did not stop within %g s: %s", part.name, part.deadline, task.get_stack(limit=1))
        return not pending

    def _mark(self, part: Part, state: State, reason: str = "") -> None:
        health = self._health[part.name]
        health.state, health.reason, health.since = state, reason, self._clock.monotonic()
