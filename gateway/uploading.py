"""The store's uploads in the gateway: their events pass the sequencer, people and metrics see how it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from msgspec import structs

from gateway.config import Config
from gateway.core import Core
from runtime.clock import Clock
from store.space import FOLDER
from store.store import Store
from store.uploads.manifest import Upload
from store.uploads.standing import Standing
from store.uploads.uploads import Counts, Uploads
from store.uploads.work import ALWAYS
from twins.errors import Unavailable
from twins.exchange import Event, Severity
from twins.stimuli import Noted
from web.uploads import UploadView


class Uploading:
    """Implements `web.uploads.Uploads`. The door `uploads`: opened after all manifests, so that each `never` holds."""

    def __init__(
        self,
        config: Config,
        store: Store,
        core: Core,
        clock: Clock,
        next_cause: Callable[[], str],
        unread: Callable[[], set[str]] = set,
    ) -> None:
        path, node = config.store.path.absolute(), config.node
        self._core = core
        self._clock = clock
        self._next_cause = next_cause
        self._uploads = Uploads(
            node.name, node.zone, store.segments, store.journal, path / FOLDER, path / "uploads", self._tell, clock,
            unread=unread,
        )  # fmt: skip

    def apply(self, name: str, manifest: Upload | None) -> None:
        """Watcher of the kind `Upload`."""
        self._uploads.apply(name, manifest)

    async def run(self) -> None:
        await self._uploads.run()

    def views(self) -> Sequence[UploadView]:
        return [_view(standing) for standing in self._uploads.views()]

    async def start(self, name: str, since: datetime | None, until: datetime | None) -> UploadView:
        span = _micros(since, ALWAYS[0]), _micros(until, ALWAYS[1])
        return _view(await self._uploads.start(name, span, "api"))

    @property
    def counts(self) -> Counts:
        return self._uploads.counts

    def gauges(self) -> Iterator[tuple[str, str, float]]:
        """Name, help and value of now."""
        views = self._uploads.views()
        yield (
            "uploads_pending_bytes",
            "Bytes of segments of which rows are still to go",
            sum(v.pending_bytes for v in views),
        )
        yield (
            "uploads_lag_seconds",
            "Age of the oldest row that is still to go",
            max((v.lag for v in views), default=0.0),
        )
        yield "uploads_failing", "Uploads that can't send now", sum(v.state in {"failing", "off"} for v in views)

    @property
    def troubles(self) -> Iterator[str]:
        """Why uploads can't send now."""
        for view in self._uploads.views():
            if view.state in {"failing", "off"} and view.reason:
                yield f"{view.id}: {view.reason}"

    async def _tell(self, kind: str, subject: str, severity: Severity, message: str) -> None:
        """Returns when it is on disk: what is audited is audited before anything else is done."""
        cause, now = self._next_cause(), self._clock.now()
        event = Event(f"{cause}:upload", now, kind, subject, severity, message, cause)
        try:
            await self._core.ask(Noted("", cause, now, event))
        except TimeoutError:
            raise Unavailable("the store is behind: an event about an upload could not be kept yet") from None


def _view(standing: Standing) -> UploadView:
    return UploadView(**structs.asdict(standing))


def _micros(moment: datetime | None, otherwise: int) -> int:
    return otherwise if moment is None else round(moment.timestamp() * 1e6)
