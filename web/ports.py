"""What the web needs of the rest of the gateway. Structural: implementers import the views, not these."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

from twins.exchange import Encoded, Newest, Rows, Scalar
from web.views import DeviceView, Health, PointView, Snapshot


class Console(Protocol):
    """What there is to see. All but `changed` and `history` answer at once, from memory."""

    def snapshot(self, since: int = 0) -> Snapshot:
        """What changed after revision `since`; everything for 0. Revisions grow; every change has one of its own."""
        ...

    async def changed(self, since: int) -> None:
        """Return as soon as the revision is beyond `since` (at once if it already is). See `web.revisions`."""
        ...

    def device(self, device: str) -> DeviceView | None: ...

    def health(self) -> Health: ...

    async def history(self, device: str, name: str, count: int) -> Sequence[PointView]:
        """The last `count` recorded values, oldest first. Raises Rejected(404) for what does not exist."""
        ...


class Commands(Protocol):
    """What a person may do. Each returns after the commit; raises Rejected (400, 404, 409) or Unavailable."""

    async def set_desired(self, device: str, values: Mapping[str, str], who: str) -> str:
        """Ask values of the device, all or none; `who` is `console` or `api`. Returns the cause of the change."""
        ...

    async def apply(self, manifest: bytes) -> Sequence[str]:
        """Take YAML or JSON documents, all or none. Returns a line for each, as `Device default/pump-1 created`."""
        ...

    async def objects(self, kind: str, name: str = "") -> Sequence[dict[str, Any]]:
        """The manifests of a kind, or the one called `namespace/name`; those of devices with their `status`."""
        ...

    async def delete(self, kind: str, name: str, *, force: bool = False) -> None:
        """`name` is `name` in the default namespace, or `namespace/name`. By force also what is the cloud's.

        What the cloud still has comes again when it is changed there.
        """
        ...

    def schema(self, kind: str) -> dict[str, Any]:
        """The JSON Schema of a kind, with the meaning of each field. Raises Rejected (404) for an unknown kind."""
        ...


class Sql(Protocol):
    """Questions to the store: read-only, within `deadline` seconds, at most `limit` rows."""

    async def sql(self, text: str, parameters: Sequence[Scalar], *, deadline: float, limit: int) -> Rows: ...

    async def encoded(
        self,
        text: str,
        parameters: Sequence[Scalar],
        *,
        form: Literal["json", "csv", "arrow"],
        deadline: float,
        limit: int,
    ) -> Encoded:
        """The same as bytes, made elsewhere: a large answer costs the loop nothing."""
        ...

    def latest(self, devices: Collection[str] = (), properties: Collection[str] = ()) -> Iterable[Newest]:
        """The newest point of each series, at once; of these devices and properties where some are named."""
        ...


class Pictures(Protocol):
    """Pictures as JPEG."""

    def latest(self, camera: str, version: int = 0) -> tuple[int, bytes] | None:
        """The newest picture of a camera and its version, the one `CameraView.picture` speaks of.

        The one of `version` instead, while that is kept. Boxes are not in it: `CameraView.boxes` has them.
        """
        ...

    async def by_key(self, key: str) -> bytes | None:
        """A picture kept with an event."""
        ...
