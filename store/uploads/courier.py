"""One job on its way: held, entered, sent, entered again; and what becomes of one that cannot be sent."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from runtime.clock import Clock
from store.uploads.backlog import Backlog
from store.uploads.ledger import Ledger, Want
from store.uploads.manifest import Upload
from store.uploads.merged import Merged
from store.uploads.selection import Gate
from store.uploads.shelf import Shelf, is_segment
from store.uploads.standing import Standing
from store.uploads.work import ALWAYS, Job, Part
from twins.exchange import Severity

if TYPE_CHECKING:
    from store.uploads.sender import Sender

Tell = Callable[[str, Severity, str], Awaitable[None]]
"""Kind, severity and words of an event about this upload."""


class Courier:
    """Of one upload; of the `standing` it counts what a `never` kept here."""

    def __init__(
        self,
        upload: Upload,
        node: str,
        shelf: Shelf,
        gate: Callable[[], Gate],
        tell: Tell,
        clock: Clock,
        *,
        ledger: Ledger,
        merged: Merged,
        backlog: Backlog,
        standing: Standing,
    ) -> None:
        self._upload = upload
        self._node = node
        self._shelf = shelf
        self._gate = gate
        self._tell = tell
        self._clock = clock
        self._ledger = ledger
        self._merged = merged
        self._backlog = backlog
        self._standing = standing
        self._sender: Sender | None = None
        self._asking = Want(0, ALWAYS, 0, "")
        self._told: set[tuple[int, str, str]] = set()

    async def carry(self, job: Job, want: Want) -> bool:
        """True when its rows are there."""
        from store.uploads.sender import Changed

        sender = self._at_work(want)
        name, part = job.source.name, Part(job.source.name, *job.span, job.token, done=False)
        segment = is_segment(name)
        try:
            path = await self._shelf.hold(job.source) if segment else job.source.path
        except FileNotFoundError:  # merged or removed since: another takes its place
            await self._merged.look()
            return False
        if not job.begun:
            await self._ledger.begin(part)
        self._shelf.entered(name)
        try:
            sums, blocked = await sender.send(job, path, self._backlog.of_day(job))
        except Changed:
            pass
        except FileNotFoundError:
            await self._lost(job, path)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            self._backlog.leave(name)
            await self._ledger.replace([name], [], [])
            await self._tell("upload", "error", f"{name} cannot be read: {error}; the others go on")
        else:
            self._standing.blocked += blocked
            await self._ledger.finish(structs.replace(part, done=True), structs.replace(sums, at=self._clock.now()))
            await self._merged.look()
            return True
        return False

    def renew(self) -> None:
        """Read credentials and keys again before the next job: a file may be another now."""
        self._sender = None

    def satisfied(self, want: Want) -> None:
        """Nothing is left of it."""
        self._told = {told for told in self._told if told[0] != want.id}

    async def _lost(self, job: Job, path: Path) -> None:
        """A file is gone: one of a day, merged since, or what was begun. Raises FileNotFoundError for one of ours."""
        before = self._merged.version
        await self._merged.look()
        if self._merged.version != before and self._upload.spec.align is not None:
            return
        if await asyncio.to_thread(path.exists):
            raise FileNotFoundError(errno.ENOENT, "a folder of uploads is gone; restart the gateway", str(path))
        await self._ledger.replace([job.source.name], [], [])
        if job.source.kind != "pictures":
            await self._ledger.missed(job.source.rows)
            await self._tell("upload", "error", f"{job.source.name} is gone before all of it went")

    def _at_work(self, want: Want) -> Sender:
        if self._sender is None:
            from store.uploads.sender import Sender

            self._sender = Sender(self._upload, self._node, self._shelf, self._gate, self._audit, self._clock)
        self._asking = want
        return self._sender

    async def _audit(self, held: dict[tuple[str, str], int]) -> None:
        """Each want that a `never` holds against is told: once a device."""
        want = self._asking
        for block, device in held:
            if (want.id, block, device) not in self._told:
                words = f"{device}: {block} keeps it here; it was not sent for {self._upload.id} ({want.why})"
                await self._tell("security", "warning", words)
                self._told.add((want.id, block, device))
