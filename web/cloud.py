"""How it stands with the cloud, in full: what `gemelo cloud status` shows. Times are µs UTC, 0 when unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from aiohttp import web
from msgspec import Struct

from web.bodies import json_of
from web.routes import Route


class CertificateView(Struct, frozen=True):
    """The certificate in use, and when the next one will be got."""

    not_before: int
    not_after: int
    renew_at: int


class MessagesView(Struct, frozen=True):
    """Custom messages of KubeEdge's rule router. `topics` are those that the cloud wants heard."""

    topics: tuple[str, ...] = ()
    waiting: int = 0
    bytes: int = 0
    forwarded: int = 0
    dropped: int = 0
    published: int = 0
    refused: int = 0


class UnansweredView(Struct, frozen=True):
    """A device that the cloud does not answer: since when, how often it was told, when it is told next, and why."""

    device: str
    since: int
    attempts: int
    again: int
    reason: str


class OlderView(Struct, frozen=True):
    """The cloud said version `said` of what is here in version `ours`, first at `since`."""

    ours: str
    said: str
    since: int


class CloudStatus(Struct, frozen=True):
    """`pending` are devices with news that the cloud has not confirmed, `waiting` those whose model it has not sent,
    `unanswered` those for which it confirms nothing.

    `undeclared` are properties that the cloud would drop, because its Device does not list them, so they stay here;
    `rejected` objects that can't be read, with the reason; `older` those of which the cloud said an older version than
    it did before, which are left alone; `conflicts` counts desired values that were changed on both
    sides; `rival` tells that a second node of our name seems to be there; `node`
    whether this gateway is a Node of the cluster, and if not, why. `counters` grow from the start on.
    """

    kind: str = "none"
    phase: Literal["off", "joining", "connecting", "online", "offline"] = "off"
    reason: str = ""
    since: int = 0
    url: str = ""
    rival: bool = False
    node: Literal["off", "waiting", "registered", "foreign", "refused"] = "off"
    node_reason: str = ""
    certificate: CertificateView | None = None
    devices: int = 0
    pending: int = 0
    waiting: tuple[str, ...] = ()
    unanswered: tuple[UnansweredView, ...] = ()
    undeclared: dict[str, tuple[str, ...]] = {}
    rejected: dict[str, str] = {}
    older: dict[str, OlderView] = {}
    conflicts: int = 0
    counters: dict[str, int] = {}
    messages: MessagesView = MessagesView()


class CloudApi:
    """Handler of `/api/v1/cloud/status`."""

    def __init__(self, status: Callable[[], CloudStatus]) -> None:
        self._status = status

    def routes(self) -> list[Route]:
        return [Route("GET", "/api/v1/cloud/status", self.status, "The cloud in full", CloudStatus)]

    async def status(self, _request: web.Request) -> web.Response:
        return json_of(self._status())
