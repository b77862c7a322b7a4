"""All uploads of this node: started, changed and ended as their manifests are; what must never go holds for all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct

from runtime.clock import Clock
from store.uploads import ledger
from store.uploads.manifest import Upload
from store.uploads.selection import Gate, Selection, blocks_of
from store.uploads.shelf import Journal, Segments, Shelf
from store.uploads.standing import Standing
from store.uploads.uploader import Uploader
from store.uploads.work import Span
from twins.errors import Rejected, Unavailable
from twins.exchange import Severity
from twins.schema import nearest

logger = logging.getLogger(__name__)

_EXTRA = ("obstore", "pyarrow", "cryptography")
_START = 10.0
"""Seconds that one who asks waits for an upload to start."""
_NAMED = 3
"""Series that a refusal names."""

Tell = Callable[[str, str, Severity, str], Awaitable[None]]
"""Kind, object, severity and words of an event, which is kept when this returns."""


class Counts(Struct):
    """Of this start, for metrics."""

    objects: int = 0
    rows: int = 0
    bytes: int = 0
    missed_rows: int = 0
    blocked_rows: int = 0
    failures: int = 0


class Uploads:
    """`apply` manifests at any time; `run` until cancelled. `folder` is theirs; `blobs` has the pictures.

    Each looks what is due every `look` seconds. None runs while a manifest is `unread`: it may say `never`.
    """

    def __init__(
        self,
        node: str,
        zone: str,
        segments: Segments,
        journal: Journal,
        blobs: Path,
        folder: Path,
        tell: Tell,
        clock: Clock,
        *,
        look: float = 1.0,
        unread: Callable[[], set[str]] = set,
    ) -> None:
        self._unread = unread
        self._node = node
        self._zone = zone
        self._shelf = Shelf(segments, journal, blobs, folder)
        self._tell = tell
        self._clock = clock
        self._look = look
        self._manifests: dict[str, Upload] = {}
        self._blocks: Mapping[str, Selection] = {}
        self._version = 0
        self._deleted: set[str] = set()
        self._running: dict[str, tuple[Uploader, asyncio.Task[None]]] = {}
        self._changed = asyncio.Event()
        self._steady = asyncio.Event()
        """What runs is what the manifests say."""

    def apply(self, name: str, upload: Upload | None) -> None:
        """This manifest holds from now on; `None`: none of this name."""
        before = self._manifests.pop(name, None)
        if upload is not None:
            self._manifests[name] = upload
        elif before is not None:
            self._deleted.add(name)
        if (before is not None and before.blocks) or (upload is not None and upload.blocks):
            self._blocks = blocks_of(self._manifests)
            self._version += 1  # whatever is under way is looked at again before its next byte
        self._steady.clear()
        self._changed.set()

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await self._changed.wait()
                    self._changed.clear()
                    await self._settle(group)
                    if not self._changed.is_set():
                        self._steady.set()
        finally:
            self._running.clear()

    async def start(self, name: str, span: Span, who: str) -> Standing:
        """Send what lies in a span of time now. Raises `Rejected`: 404, 403 where all of it must never go, 409."""
        upload = self._manifests.get(name)
        if upload is None:
            raise Rejected(f"there is no Upload {name[:200]}: {nearest(name, self._manifests)}", 404)
        if upload.blocks:
            words = f"{who} asked it to send; it says what must never go"
            await self._tell("security", name, "warning", words)
            raise Rejected(f"Upload {name} says what must never go: nothing is sent by it", 403)
        if span[0] > span[1]:
            raise Rejected("the time ends before it begins")
        await self._refuse_blocked(name, upload, who)
        try:
            async with asyncio.timeout(_START):
                await self._steady.wait()
                running = self._running.get(name)
                if running is None:
                    raise Rejected(f"Upload {name} is not running: {self._why_not(name) or 'it was deleted'}", 409)
                await running[0].want(span)
        except TimeoutError:
            raise Unavailable(f"Upload {name} does not start: the store is behind; ask again") from None
        return running[0].view()

    def views(self) -> list[Standing]:
        """How it stands with each, by name."""
        found = []
        for name, upload in sorted(self._manifests.items()):
            running = self._running.get(name)
            if running is not None and running[0].upload == upload:
                found.append(running[0].view())
            elif upload.blocks:
                found.append(Standing(name, "never", "never"))
            else:
                why_not = self._why_not(name)
                found.append(Standing(name, upload.policy, "off" if why_not else "starting", why_not))
        return found

    @property
    def counts(self) -> Counts:
        total = Counts()
        for view in self.views():
            total.objects += view.objects
            total.rows += view.rows
            total.bytes += view.bytes
            total.missed_rows += view.missed
            total.blocked_rows += view.blocked
            total.failures += view.failures
        return total

    async def _settle(self, group: asyncio.TaskGroup) -> None:
        """Start, end and replace as the manifests now are."""
        deleted, self._deleted = self._deleted, set()
        for name, (uploader, task) in list(self._running.items()):
            if name in deleted or self._manifests.get(name) != uploader.upload or self._why_not(name):
                task.cancel()
                await asyncio.wait({task})
                del self._running[name]
        if deleted:
            await ledger.forget(self._shelf.journal, deleted)
        able = (name for name, upload in self._manifests.items() if not upload.blocks and not self._why_not(name))
        wanted = {name: self._manifests[name] for name in able}
        if not wanted:
            return
        if not self._running:
            await self._shelf.open()
        for name, upload in wanted.items():
            if name not in self._running:
                self._running[name] = self._start(group, upload)

    def _start(self, group: asyncio.TaskGroup, upload: Upload) -> tuple[Uploader, asyncio.Task[None]]:
        selection, name = Selection(upload.spec.select), upload.id
        gates: list[Gate] = []

        def gate() -> Gate:
            if not gates or gates[0].version != self._version:
                gates[:] = [Gate(selection, self._blocks, self._version)]
            return gates[0]

        async def tell(kind: str, severity: Severity, message: str) -> None:
            await self._tell(kind, name, severity, message)

        uploader = Uploader(upload, self._node, self._zone, self._shelf, gate, tell, self._clock, look=self._look)
        return uploader, group.create_task(self._keep(uploader), name=f"upload {name}")

    async def _keep(self, uploader: Uploader) -> None:
        """One upload at fault is told, and ends no other."""
        try:
            await uploader.run()
        except Exception as error:  # a fault of ours in one upload must not stop the gateway
            logger.exception("upload %s ended", uploader.upload.id)
            uploader.standing.state, uploader.standing.reason = "off", f"it failed: {error}; the log says more"
            await self._tell("upload", uploader.upload.id, "error", f"it ended: {error}; apply it again to start it")

    async def _refuse_blocked(self, name: str, upload: Upload, who: str) -> None:
        """Raise `Rejected` (403) when nothing that is asked for may go, and tell of what may not."""
        gate = Gate(Selection(upload.spec.select), self._blocks)
        held, free = gate.sorted(self._shelf.journal.series)
        for block, series in held.items():
            more = f" and {len(series) - _NAMED} more" if len(series) > _NAMED else ""
            await self._tell(
                "security",
                name,
                "warning",
                f"{who} asked for {', '.join(series[:_NAMED])}{more}: {block} keeps it here",
            )
        if held and not free and upload.spec.select.kinds == ("points",):
            raise Rejected(f"{', '.join(held)} says that nothing of this may ever leave", 403)

    def _why_not(self, name: str = "") -> str:
        """Why an upload can't run; empty if it can."""
        if unread := sorted(self._unread()):
            return f"Upload {unread[0]} can't be read any more, and may say what must never go: apply it again"
        upload = self._manifests.get(name)
        for other, each in sorted(self._manifests.items()):
            if upload is not None and other < name and not each.blocks and _place(each) == _place(upload):
                return f"{other} has the same destination: its rows would be there twice; give it a prefix of its own"
        missing = [name for name in _EXTRA if find_spec(name) is None]
        return f"{', '.join(missing)} is not installed: pip install 'gemelo[upload]'" if missing else ""


def _place(upload: Upload) -> tuple[str, str]:
    """Where its objects go."""
    to = upload.spec.destination
    return ("", "") if to is None else (to.url.rstrip("/"), to.endpoint.rstrip("/"))
