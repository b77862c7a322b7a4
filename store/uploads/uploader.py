"""One upload at work: what is wanted, what of it is still to go, and what becomes of segments meanwhile.

Theory of operation. A *want* is a span of time that is to go: the schedule makes one for all times, a person or an
event one for theirs. It is kept until nothing is left of it. What is left is sources less the parts in the ledger
(`work`). Each part is entered before its first byte goes, with the name that its objects will have, and again when they
are there: a kill between the two repeats the same rows under the same names. A segment that was merged into another
leaves its parts; `Merged` gives them to what took its place, before anything of that goes.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable

from msgspec import structs

from runtime.backoff import Backoff
from runtime.clock import Clock
from store.uploads import schedule
from store.uploads.backlog import Backlog
from store.uploads.courier import Courier, Tell
from store.uploads.ledger import Ledger, Want
from store.uploads.manifest import Upload
from store.uploads.merged import Merged, rest_prefix
from store.uploads.occasion import reading
from store.uploads.selection import Gate
from store.uploads.shelf import Shelf
from store.uploads.standing import Standing
from store.uploads.work import ALWAYS, Span
from twins.cron import following
from twins.errors import Rejected, Unavailable

logger = logging.getLogger(__name__)

SCHEDULE = "schedule"
"""Why of a want that the clock made."""


class Uploader:
    """Runs until cancelled, and looks what is due every `look` seconds.

    `gate` gives what may go now; `node` and `zone` are the gateway's.
    """

    def __init__(
        self,
        upload: Upload,
        node: str,
        zone: str,
        shelf: Shelf,
        gate: Callable[[], Gate],
        tell: Tell,
        clock: Clock,
        *,
        look: float = 1.0,
    ) -> None:
        self.upload = upload
        self.standing = Standing(upload.id, upload.policy)
        self._zone = zone
        self._shelf = shelf
        self._tell = tell
        self._clock = clock
        self._look = look
        self._ledger = Ledger(upload.id, shelf.journal, shelf.rests)
        self._merged = Merged(upload, shelf, self._ledger, tell)
        self._backlog = Backlog(upload, shelf, self._ledger, self._merged, clock)
        self._courier = Courier(
            upload, node, shelf, gate, tell, clock,
            ledger=self._ledger, merged=self._merged, backlog=self._backlog, standing=self.standing,
        )  # fmt: skip
        self._backoff = Backoff(1.0, 60.0, 1.0)
        self._sealed = 0
        self._open = asyncio.Event()
        self._fires = 0
        """When the schedule comes next."""

    async def run(self) -> None:
        """Send what is wanted, until cancelled; what fails is told once and tried again."""
        while True:
            try:
                if not self._open.is_set():
                    await self._begin()
                await self._step()
            except (Unavailable, Rejected, OSError, sqlite3.Error) as error:
                await self._failed(error)
            else:
                await self._clock.sleep(self._look)

    async def _begin(self) -> None:
        await self._ledger.open()
        await self._shelf.tidy(rest_prefix(self.upload.id), {rest.name for rest in self._ledger.rests})
        scheduled = self.upload.spec.policy.scheduled
        if scheduled is not None:
            self._fires = following(scheduled.cron, self._clock.now(), self._zone)
        self._open.set()

    async def want(self, span: Span) -> None:
        """Send what lies in a span of time as soon as it can be; returns when that is kept."""
        await self._open.wait()
        await self._ledger.want(span, self._clock.now(), "asked")

    def view(self) -> Standing:
        """How it stands now."""
        sums, (rows, size, oldest) = self._ledger.sums, self._backlog.rest
        return structs.replace(
            self.standing,
            next=self.standing.next if self.standing.state == "waiting" else self._fires,
            waiting=len(self._ledger.wants),
            pending_rows=rows,
            pending_bytes=size,
            lag=max(0.0, (self._clock.now() - oldest) / 1e6) if rows else 0.0,
            objects=sums.objects, rows=sums.rows, bytes=sums.bytes, missed=sums.missed, last=sums.at,
        )  # fmt: skip

    async def _step(self) -> None:
        await self._merged.look()
        now, policy = self._clock.now(), self.upload.spec.policy
        if policy.scheduled is not None and now >= self._fires:
            await self._ledger.want(ALWAYS, now, SCHEDULE)
            self._fires = following(policy.scheduled.cron, now, self._zone)
        if policy.on_event is not None:
            await self._ledger.follow(reading(policy.on_event))
        due = [want for want in self._ledger.wants if want.due <= now]
        for want in due:
            if not await self._fulfil(want):
                return
        if not due and self.standing.state != "waiting":
            self._mark("idle")

    async def _fulfil(self, want: Want) -> bool:
        """Send what is left of a want; false when it has to wait for its hours."""
        if want.id > self._sealed:
            await self._seal(want)
            self._sealed = want.id
            await self._merged.look()
        while True:
            opens = self._opens(want)
            if opens > self._clock.now():
                self._mark("waiting", "the hours in which it may send are over")
                self.standing.next = opens
                return False
            job = await self._backlog.next(want.span)
            if job is None:
                break
            self._mark("running")
            if await self._courier.carry(job, want):
                await self._recovered()
            else:
                self._backlog.again()
        await self._ledger.satisfied(want)
        self._courier.satisfied(want)
        self._mark("idle")
        return True

    async def _seal(self, want: Want) -> None:
        """What was asked for is to go with what is only in memory; the clock comes again."""
        try:
            await self._shelf.seal()
        except (OSError, ValueError, sqlite3.Error) as error:
            if want.why != SCHEDULE:
                raise Unavailable(f"points cannot be sealed: {error}") from error
            logger.warning("%s sends what is sealed: %s", self.upload.id, error)

    def _opens(self, want: Want) -> int:
        scheduled, now = self.upload.spec.policy.scheduled, self._clock.now()
        if scheduled is None or scheduled.window is None or want.why != SCHEDULE:
            return now
        return schedule.opens((scheduled.window.from_, scheduled.window.to), now, self._zone)

    async def _failed(self, error: Exception) -> None:
        reason = str(error) or type(error).__name__
        self.standing.failures += 1
        first = self.standing.state != "failing"
        self._mark("failing", reason)
        if first:
            try:
                await self._tell("upload", "warning", f"sending fails: {reason}; nothing is lost, it is tried again")
            except Unavailable as behind:
                logger.warning("%s: %s", self.upload.id, behind)
        self._courier.renew()
        self._backlog.again()
        await self._clock.sleep(self._backoff.next())

    async def _recovered(self) -> None:
        self._backoff.reset()
        if self.standing.failures and self.standing.reason:
            await self._tell("upload", "info", "sending again")
        self._mark("running")

    def _mark(self, state: str, reason: str = "") -> None:
        standing = self.standing
        if (standing.state, standing.reason) == (state, reason):
            return
        if state == "running" and standing.state == "failing":
            return  # it is only tried: what went tells
        standing.state, standing.reason, standing.since = state, reason, self._clock.now()  # type: ignore[assignment]
