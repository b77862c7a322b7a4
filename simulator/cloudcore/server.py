"""The stand-in's three doors: certificates (HTTPS), the link (websocket over mutual TLS), control (HTTP, loopback)."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

from simulator.cloudcore.api import routes
from simulator.cloudcore.authority import Authority, Refused
from simulator.cloudcore.cluster import Cluster
from simulator.cloudcore.controller import Controller
from simulator.cloudcore.faults import Fault, Faults
from simulator.cloudcore.messages import Json, message, routed
from simulator.cloudcore.options import Options
from simulator.cloudcore.record import Record
from simulator.cloudcore.rules import Rules
from simulator.cloudcore.session import Session
from simulator.cloudcore.upstream import Upstream

logger = logging.getLogger(__name__)

_SOON = 0.02
"""Seconds until CloudHub, which looks sessions up by node, ends the newer link for the end of the older one."""


@asynccontextmanager
async def serve(options: Options) -> AsyncIterator[CloudCore]:
    """The stand-in, listening; its URLs are known when the block begins."""
    cloud = CloudCore(options)
    async with AsyncExitStack() as stack:
        stack.callback(cloud.record.close)
        mutual, optional = cloud.authority.context(mutual=True), cloud.authority.context(mutual=False)
        https = await stack.enter_async_context(_door(cloud.certificates(), options.host, options.https, optional))
        ws = await stack.enter_async_context(_door(cloud.links(), options.host, options.ws, mutual))
        api = await stack.enter_async_context(_door(routes(cloud), "127.0.0.1", options.api, None))
        cloud.certificates_url = f"https://{options.host}:{https}"
        cloud.link_url = f"wss://{options.host}:{ws}"
        cloud.api_url = f"http://127.0.0.1:{api}"
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        comparing = tasks.create_task(cloud.compare(), name="cloudcore-compare")
        loading = tasks.create_task(cloud.rules.load(options.rules), name="cloudcore-rules")
        try:
            yield cloud
        finally:
            comparing.cancel()
            loading.cancel()
            await cloud.hang_up()


class CloudCore:
    """Everything the stand-in is, behind its doors."""

    certificates_url = ""
    link_url = ""
    api_url = ""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.authority = Authority(options.data / "pki", options.host)
        self.cluster = Cluster(options.data / "objects")
        self.controller = Controller(self.cluster, options.nodes, options.data)
        self.rules = Rules(options.data / "rules.json", self._wanted)
        self.faults = Faults()
        self.record = Record(options.data / "received.jsonl")
        self._upstream = Upstream(self.cluster, lose_first=options.lose_first)
        self.new_token()

    def new_token(self) -> str:
        """A fresh token, also written to the file `token`."""
        token = self.authority.token(self.options.token_life)
        (self.options.data / "token").write_text(token + "\n")
        return token

    def start(self, kind: Fault, seconds: float) -> int:
        """Begin a fault; the number of links it cut at once."""
        self.faults.start(kind, seconds)
        sessions = list(self.controller.sessions.values()) if kind == "cut" else []
        for session in sessions:
            session.abort()
        return len(sessions)

    async def compare(self) -> None:
        """Every few seconds, mend what connected nodes missed."""
        while True:
            await asyncio.sleep(self.options.sync)
            self.controller.reconcile()

    async def hang_up(self) -> None:
        for session in list(self.controller.sessions.values()):
            await session.close("CloudCore stops")

    def certificates(self) -> web.Application:
        """`GET /ca.crt` and `GET /edge.crt`, the latter with a body."""
        app = web.Application(client_max_size=1 << 20)
        app.router.add_get("/ca.crt", self._ca)
        app.router.add_get("/edge.crt", self._edge)
        return app

    def links(self) -> web.Application:
        """Any path is the websocket; the headers say who calls."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._link)
        return app

    async def _ca(self, _: web.Request) -> web.Response:
        return web.Response(body=self.authority.der, content_type="application/octet-stream")

    async def _edge(self, request: web.Request) -> web.Response:
        node = request.headers.get("NodeName", "")
        try:
            tokened = not _vouched(request, node)
            if tokened:
                self.authority.check(request.headers.get("Authorization", "").removeprefix("Bearer").strip())
            certificate = self.authority.sign(await request.read(), node, self.options.certificate_life)
        except Refused as refused:
            self.record.add(node, "certificate refused", {}, reason=str(refused))
            return web.Response(status=refused.status, text=str(refused))
        self.record.add(node, "certificate", {}, tokened=tokened)
        return web.Response(body=certificate, content_type="application/octet-stream")

    async def _link(self, request: web.Request) -> web.StreamResponse:
        node = request.headers.get("node_id", "")
        if self.faults.on("cut") and request.transport is not None:
            request.transport.abort()
        if self.faults.on("cut") or self.faults.on("refuse"):
            return web.Response(status=503, text="refused by a fault")
        await asyncio.sleep(self.faults.left("half-open"))
        if not node or not request.headers.get("project_id") or request.headers.get("ConnectionUse") != "msg":
            return web.Response(status=400, text="the headers node_id, project_id and ConnectionUse: msg are needed")
        session = Session(node, request, self.options, self.faults, self._heard, self.controller.acked)
        replaced = self.controller.connected(session)
        if replaced is not None:
            logger.info("node %s connects again: its older link is closed", node)
            await replaced.close("replaced by a newer connection of this node")
            if self.faults.on("both"):
                asyncio.get_running_loop().call_later(_SOON, session.abort)
        self.record.add(node, "connected", {}, path=request.path, project=request.headers["project_id"])
        try:
            return await session.run()
        finally:
            self.controller.gone(session)
            self.record.add(node, "disconnected", {}, goodbye=session.goodbye)

    def _heard(self, session: Session, said: Json) -> None:
        route, header = said["route"], said["header"]
        match route:
            case {"operation": "keepalive"}:
                session.keep_alive()
                self.record.add(session.node, "keepalive", said)
            case {"operation": "response"}:
                known = session.answered(header.get("parent_msg_id", ""))
                self.record.add(session.node, "acknowledged" if known else "acknowledged again", said)
            case {"operation": "ping"}:
                self.record.add(session.node, "ping", said)
                answer = message("", "", "response", route.get("resource", ""), "ack", parent=header["msg_id"])
                session.tell(answer)
            case {"group": "user", "operation": "upload"}:  # the rule router answers nobody
                late = self.rules.late(session.node, route.get("resource", ""))
                self.record.add(session.node, "unwanted" if late else "uploaded", said)
            case {"source": "twin", "operation": "update"}:
                self._report(session, said)
            case {"source": "edged", "group": "meta"}:
                self._node(session, said)
            case _:
                self.record.add(session.node, "ignored", said)

    def _wanted(self, node: str, topic: str) -> bool:
        """The rule router wants to hear a topic of a node; false, and lost, when the node has no link."""
        return self.controller.tell(node, routed("subscribe", topic))

    def _node(self, session: Session, said: Json) -> None:
        """A node asks about itself."""
        answer = self.controller.nodes.answer(said, denied=self.faults.on("deny"))
        self.record.add(session.node, "asked" if answer is not None else "ignored", said)
        if answer is not None:
            session.tell(answer)

    def _report(self, session: Session, said: Json) -> None:
        outcome = self._upstream.take(said)
        silent = outcome.verdict == "confirmed" and self.faults.on("noack")
        verdict = "unanswered" if silent else outcome.verdict
        more = {"stored": outcome.stored, "lost": outcome.lost, "dropped": outcome.dropped}
        self.record.add(session.node, verdict, said, **more)
        if outcome.answer is not None and not silent:
            session.tell(outcome.answer)


def _vouched(request: web.Request, node: str) -> bool:
    """True for a client certificate of our CA (checked by TLS, client usage included) that names this very node."""
    certificate = request.transport.get_extra_info("peercert") if request.transport is not None else None
    if not certificate or request.headers.get("Authorization"):
        return False
    subject = {key: value for pairs in certificate["subject"] for key, value in pairs}
    if subject.get("organizationName") != "system:nodes" or subject.get("commonName") != f"system:node:{node}":
        reason = f"the client certificate is {subject.get('commonName')!r}, the header NodeName says {node!r}"
        raise Refused(reason)
    return True


@asynccontextmanager
async def _door(app: web.Application, host: str, port: int, context: ssl.SSLContext | None) -> AsyncIterator[int]:
    """Serve `app`; gives the port, which the system chose when 0 was asked for."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
        await web.SockSite(runner, listener, ssl_context=context).start()
        yield listener.getsockname()[1]
    finally:
        await runner.cleanup()
