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
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from runtime.backoff import Backoff
from runtime.clock import Clock
from store.uploads import schedule
from store.uploads.ledger import Ledger, Want
from store.uploads.manifest import SEVERITIES, OnEvent, Upload
from store.uploads.merged import Merged
from store.uploads.pictures import PREFIX
from store.uploads.selection import Gate
from store.uploads.shelf import Shelf, is_segment, kind_of
from store.uploads.standing import Standing
from store.uploads.work import ALWAYS, DAY, Job, Part, Source, Span, jobs, shared
from twins.duration import microseconds
from twins.errors import Rejected, Unavailable
from twins.exchange import Severity

if TYPE_CHECKING:
    from store.uploads.sender import Sender

logger = logging.getLogger(__name__)

_DAYS = 400
"""Days back that are looked at for whole days to align."""
SCHEDULE = "schedule"
"""Why of a want that the clock made."""

Tell = Callable[[str, Severity, str], Awaitable[None]]
"""Kind, severity and words of an event about this upload."""


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
        self._node = node
        self._zone = zone
        self._shelf = shelf
        self._gate = gate
        self._tell = tell
        self._clock = clock
        self._look = look
        self._ledger = Ledger(upload.id, shelf.journal, shelf.rests)
        self._merged = Merged(upload, shelf, self._ledger, tell)
        self._backoff = Backoff(1.0, 60.0, 1.0)
        self._plan = sha256(
            msgspec.json.encode([upload.spec.select, upload.spec.sampling, upload.spec.align])
        ).hexdigest()
        self._sender: Sender | None = None
        self._sealed = 0
        self._asking = Want(0, ALWAYS, 0, "")
        self._told: set[tuple[int, str, str]] = set()
        self._unreadable: set[str] = set()
        self._open = asyncio.Event()
        self._pending: tuple[tuple[int, int], tuple[int, int, int]] = (-1, 0), (0, 0, 0)

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
        await self._shelf_in_step()
        scheduled = self.upload.spec.policy.scheduled
        if scheduled is not None:
            self.standing.next = schedule.following(scheduled.cron, self._clock.now(), self._zone)
        self._open.set()

    async def want(self, span: Span) -> None:
        """Send what lies in a span of time as soon as it can be; returns when that is kept."""
        await self._open.wait()
        await self._ledger.want(span, self._clock.now(), "asked")

    def view(self) -> Standing:
        """How it stands now."""
        sums = self._ledger.sums
        key = self._ledger.version, id(self._merged.sources)
        if key != self._pending[0]:
            self._pending = key, self._still_to_go()
        rows, size, oldest = self._pending[1]
        return structs.replace(
            self.standing,
            waiting=len(self._ledger.wants),
            pending_rows=rows,
            pending_bytes=size,
            lag=max(0.0, (self._clock.now() - oldest) / 1e6) if rows else 0.0,
            objects=sums.objects, rows=sums.rows, bytes=sums.bytes, missed=sums.missed, last=sums.at,
        )  # fmt: skip

    def _still_to_go(self) -> tuple[int, int, int]:
        """Rows and bytes of files of which something is to go, and the oldest time of that; 0 for none."""
        wants, scheduled = self._ledger.wants, self.upload.spec.policy.scheduled is not None
        spans = [ALWAYS] if scheduled else [want.span for want in wants]
        found = [job for span in spans for job in self._jobs(self._merged.sources, span)]
        files = {job.source.name: job.source for job in found}.values()
        oldest = min((job.span[0] for job in found), default=0)
        return sum(file.rows for file in files), sum(file.bytes for file in files), oldest

    async def _step(self) -> None:
        await self._merged.look()
        now, policy = self._clock.now(), self.upload.spec.policy
        if policy.scheduled is not None and now >= self.standing.next:
            await self._ledger.want(ALWAYS, now, SCHEDULE)
            self.standing.next = schedule.following(policy.scheduled.cron, now, self._zone)
        if policy.on_event is not None:
            around = policy.on_event
            while await self._ledger.follow(lambda row: _wanted(around, row)) == 1000:
                pass
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
            job = next(iter(self._jobs(await self._sources(), want.span)), None)
            if job is None:
                break
            self._mark("running")
            await self._send(job, want)
        await self._ledger.satisfied(want)
        self._told = {told for told in self._told if told[0] != want.id}
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

    async def _send(self, job: Job, want: Want) -> None:
        from store.uploads.sender import Changed

        sender = self._at_work(want)
        name, part = job.source.name, Part(job.source.name, *job.span, job.token, done=False)
        segment = is_segment(name)
        try:
            path = await self._shelf.hold(job.source) if segment else job.source.path
        except FileNotFoundError:  # merged or removed since: another takes its place
            await self._merged.look()
            return
        if not job.begun:
            await self._ledger.begin(part)
        self._shelf.entered(name)
        try:
            sums = await sender.send(job, path, self._of_day(job) if self._aligns else ())
        except Changed:
            return
        except FileNotFoundError as error:
            await self._lost(job, str(error))
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            self._unreadable.add(name)
            await self._ledger.replace([name], [], [])
            await self._tell("upload", "error", f"{name} cannot be read: {error}; the others go on")
        else:
            await self._ledger.finish(structs.replace(part, done=True), structs.replace(sums, at=self._clock.now()))
            await self._merged.look()
            await self._recovered()

    async def _lost(self, job: Job, why: str) -> None:
        """A source that was begun is gone, so nothing more of it can go."""
        await self._ledger.replace([job.source.name], [], [])
        if job.source.kind != "pictures":
            await self._ledger.missed(job.source.rows)
            await self._tell("upload", "error", f"{job.source.name} is gone before all of it went: {why}")

    def _at_work(self, want: Want) -> Sender:
        if self._sender is None:
            from store.uploads.sender import Sender

            self._sender = Sender(self.upload, self._node, self._shelf, self._gate, self._audit, self._clock)
        self._asking = want
        return self._sender

    async def _audit(self, held: dict[tuple[str, str], int]) -> None:
        """Each want that a `never` holds against is told: once a device."""
        want = self._asking
        for (block, device), count in held.items():
            self.standing.blocked += count
            if (want.id, block, device) not in self._told:
                self._told.add((want.id, block, device))
                words = f"{device}: {block} keeps it here; it was not sent for {self.upload.id} ({want.why})"
                await self._tell("security", "warning", words)

    def _jobs(self, sources: Sequence[Source], span: Span) -> list[Job]:
        sound = [source for source in sources if source.name not in self._unreadable]
        if self._aligns:
            return jobs([day for day in self._days(sound) if shared((day.first, day.last), span)],
                        self._ledger.parts, ALWAYS, self._plan)  # fmt: skip
        return jobs([*sound, *self._ledger.rests, *self._begun(sound)], self._ledger.parts, span, self._plan)

    async def _sources(self) -> list[Source]:
        found = list(self._merged.sources)
        if "pictures" in self.upload.spec.select.kinds:
            there = await self._shelf.pictures()
            gone = [name for name in self._ledger.parts if name.startswith(PREFIX)]
            names = {source.name for source in there}
            gone = [name for name in gone if name not in names]
            if gone:
                await self._ledger.replace(gone, [], [])
            found += there
        return found

    def _begun(self, sources: Sequence[Source]) -> list[Source]:
        """Segments that were begun and are gone since: their second name is there."""
        there = {source.name for source in sources}
        return [
            Source(name, kind_of(name), self._shelf.held(name), parts[0].since, parts[0].since - 1, 0, 0)
            for name, parts in self._ledger.parts.items()
            if name not in there and is_segment(name) and not all(part.done for part in parts)
        ]

    @property
    def _aligns(self) -> bool:
        return self.upload.spec.align is not None

    def _days(self, sources: Sequence[Source]) -> list[Source]:
        """Whole days that are over, as sources; a clock gone wild could name any day."""
        assert self.upload.spec.align is not None  # asked only then
        now = self._clock.now()
        over = (now - microseconds(self.upload.spec.align.lateness)) // DAY
        days: dict[int, list[Source]] = {}
        for source in sources:
            for day in range(max(source.first // DAY, over - _DAYS), min(source.last // DAY, over - 1) + 1):
                days.setdefault(day, []).append(source)
        return [
            Source(f"aligned-{day}", "points", Path(), day * DAY, (day + 1) * DAY - 1,
                   sum(s.rows for s in those), sum(s.bytes for s in those), f"{day}")
            for day, those in sorted(days.items())
        ]  # fmt: skip

    def _of_day(self, job: Job) -> list[Source]:
        return [s for s in self._merged.sources if shared((s.first, s.last), (job.source.first, job.source.last))]

    def _opens(self, want: Want) -> int:
        scheduled, now = self.upload.spec.policy.scheduled, self._clock.now()
        if scheduled is None or scheduled.window is None or want.why != SCHEDULE:
            return now
        return schedule.opens((scheduled.window.from_, scheduled.window.to), now, self._zone)

    async def _shelf_in_step(self) -> None:
        """Remove rests that the ledger does not know: a kill left them."""
        mine = {rest.path for rest in self._ledger.rests}
        prefix = rest_prefix(self.upload.id)
        for path in await asyncio.to_thread(lambda: list(self._shelf.rests.glob(f"{prefix}*"))):
            if path not in mine:
                path.unlink(missing_ok=True)

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
        self._sender = None  # a file with credentials may be another now
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


def rest_prefix(upload: str) -> str:
    """What the names of an upload's rests begin with."""
    return upload.replace("/", ".") + "~"


def _wanted(around: OnEvent, row: Sequence[object]) -> Want | None:
    """What an event `(rowid, at, kind, object, severity)` wants. Our own events want nothing."""
    from fnmatch import fnmatchcase

    number, at, kind, subject, severity = row
    assert isinstance(number, int)
    assert isinstance(at, int)
    if kind == "upload" or SEVERITIES.index(severity) < SEVERITIES.index(around.severity):
        return None
    if not any(fnmatchcase(str(kind), each) for each in around.kinds):
        return None
    if not any(fnmatchcase(str(subject), each) for each in around.objects):
        return None
    before, after = microseconds(around.before), microseconds(around.after)
    return Want(0, (at - before, at + after), at + after, f"event {number}")
