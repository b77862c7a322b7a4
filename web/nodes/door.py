"""The door for other nodes: SQL over mutual TLS, within the rights of the node that asks and of whom it asks for."""

from __future__ import annotations

import hmac
import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Protocol

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from twins.errors import Rejected, Unavailable
from twins.exchange import Encoded
from web.bodies import body_of
from web.listener import Listener
from web.nodes.alarm import Alarm
from web.nodes.identity import Identity
from web.nodes.manifest import Node, Series, fingerprint
from web.nodes.tls import NodeContext, serving, trust
from web.problems import problems

PATH = "/v1/sql"
ARROW = "application/vnd.apache.arrow.stream"
ROWS, CUT, NEWEST, PLAN = "X-Rows", "X-Cut", "X-Newest", "X-Plan"
_BODY = 65_536
_MOST_ROWS = 1_000_000
_LONGEST = 60.0


class Asking(Struct, frozen=True):
    """A query of one node to another. `rights` are those of whom it is asked for; `deadline` is in seconds."""

    query: str
    rights: Annotated[tuple[Series, ...], Meta(max_length=320)]
    limit: Annotated[int, Meta(ge=1, le=_MOST_ROWS)]
    deadline: Annotated[float, Meta(gt=0, le=_LONGEST)]


class Answerer(Protocol):
    """This node's own store, for others."""

    async def answer(self, text: str, rights: Sequence[Sequence[str]], *, deadline: float, limit: int) -> Encoded:
        """An Arrow stream of what all these rights allow. Raises Rejected or Unavailable."""
        ...

    def newest(self, rights: Sequence[Sequence[str]]) -> int:
        """The time of the newest point that these rights allow, in microseconds; 0 for none."""
        ...


class DoorCounts(Struct):
    """Queries of other nodes that were `answered`, and attempts that were `refused` before they could ask."""

    answered: int = 0
    refused: int = 0


class NodeDoor:
    """Serves until cancelled."""

    def __init__(
        self,
        listener: Callable[[ssl.SSLContext], Listener],
        identity: Identity,
        answerer: Answerer,
        alarm: Alarm,
        counts: DoorCounts,
    ) -> None:
        self._make = listener
        self._identity = identity
        self._answerer = answerer
        self._alarm = alarm
        self._counts = counts
        self._nodes: dict[str, Node] = {}
        self._context: NodeContext | None = None

    def know(self, nodes: Iterable[Node]) -> None:
        """These are the nodes from now on: who is none of them any more is refused at its next word."""
        self._nodes = {node.spec.fingerprint: node for node in nodes if node.spec.certificate}
        for node in self._nodes.values() if self._context is not None else ():
            assert self._context is not None
            trust(self._context, node.spec.der)

    async def run(self) -> None:
        """Listen until cancelled. Raises Unavailable when the port is taken, or our own certificate can't be used."""
        try:
            _ = self._identity.certificate  # made at first need
            self._context = serving(self._identity.file, (node.spec.der for node in self._nodes.values()), self._failed)
        except (OSError, Rejected) as error:
            raise Unavailable(f"the door for nodes cannot open: {self._identity.file}: {error}") from error
        app = web.Application(middlewares=[problems], client_max_size=_BODY)
        app.router.add_post(PATH, self._answer)
        try:
            await self._make(self._context).run(app)
        finally:
            self._context = None

    async def _answer(self, request: web.Request) -> web.Response:
        node = self._asker(request)
        asked = await body_of(request, Asking)
        rights = (node.spec.rights.patterns, asked.rights)
        answer = await self._answerer.answer(asked.query, rights, deadline=asked.deadline, limit=asked.limit)
        self._counts.answered += 1
        headers = {
            ROWS: str(answer.rows),
            CUT: answer.notice,
            PLAN: answer.plan,
            NEWEST: str(self._answerer.newest(rights)),
        }
        return web.Response(body=answer.body, content_type=ARROW, headers=headers)

    def _asker(self, request: web.Request) -> Node:
        """Who asks, by its certificate as it is known now. Raises Rejected (403)."""
        tls = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
        shown = fingerprint(tls.getpeercert(True) or b"") if tls is not None else ""
        node = next((one for known, one in self._nodes.items() if hmac.compare_digest(known, shown)), None)
        if node is None:
            self._tell(request.remote or "", "its certificate is in no Node manifest here any more")
            raise Rejected("this node has no manifest for your certificate any more", 403)
        if not node.spec.rights.patterns:
            self._tell(node.metadata.name, "its Node manifest gives it no rights")
            raise Rejected("your Node manifest here gives you no rights: spec.rights", 403)
        return node

    def _failed(self, error: ssl.SSLError) -> None:
        """A handshake did not end well. A scanner that speaks no TLS, or shows nothing, is no news."""
        if isinstance(error, ssl.SSLCertVerificationError):
            self._tell("", f"its certificate is refused: {error.verify_message}")

    def _tell(self, who: str, why: str) -> None:
        self._counts.refused += 1
        self._alarm.tell(who, f"{who or 'somebody'} was refused at the door for nodes: {why}")


def problem(body: bytes) -> str:
    """The reason in an answer that is none."""
    try:
        return str(msgspec.json.decode(body)["detail"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return ""
