"""The control API, plain HTTP on loopback: what `kubectl` would do to a cluster, the record, and the faults.

GET             /                             what this is, which nodes are linked, counters
GET             /devices  /devicemodels  /devicestatuses
GET PUT DELETE  /devices/{namespace}/{name}   a Kubernetes object, JSON or YAML; likewise /devicemodels
PATCH           /devices/{namespace}/{name}   {"desired": {property: value, ...}}
GET             /devicestatuses/{namespace}/{name}
POST            /router/{node}                {"operation": "subscribe", "topic": "default/t1"}, as the rule router says
                                              it; likewise "unsubscribe", and "publish" with a "payload"
GET             /nodes/{node}                 a Node that is registered, and its Lease; DELETE removes it
POST            /apply                        any number of YAML documents
GET             /log?since=N                  JSON lines of everything received
POST            /fault                        {"kind": "cut", "for": 30}; GET lists those that are on
GET             /token                        a fresh bootstrap token
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, get_args

import yaml
from aiohttp import web

from simulator.cloudcore.cluster import KINDS, Invalid
from simulator.cloudcore.faults import MEANING, Fault
from simulator.cloudcore.messages import ROUTED, Json, routed

if TYPE_CHECKING:
    from simulator.cloudcore.server import CloudCore

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes(cloud: CloudCore) -> web.Application:
    """The control API of one stand-in."""
    api = _Api(cloud)
    app = web.Application(client_max_size=4 << 20, middlewares=[_refusals])
    app.router.add_get("/", api.about)
    app.router.add_get("/token", api.token)
    app.router.add_get("/log", api.log)
    app.router.add_get("/fault", api.faults)
    app.router.add_post("/fault", api.fault)
    app.router.add_post("/apply", api.apply)
    app.router.add_post("/router/{node}", api.route)
    app.router.add_get("/nodes/{node}", api.node)
    app.router.add_delete("/nodes/{node}", api.unregister)
    app.router.add_get("/{plural}", api.list)
    app.router.add_get("/{plural}/{namespace}/{name}", api.get)
    app.router.add_put("/{plural:devices|devicemodels}/{namespace}/{name}", api.put)
    app.router.add_patch("/devices/{namespace}/{name}", api.desire)
    app.router.add_delete("/{plural:devices|devicemodels}/{namespace}/{name}", api.delete)
    return app


@web.middleware
async def _refusals(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except (Invalid, ValueError, yaml.YAMLError) as error:
        return web.json_response({"kind": "Status", "status": "Failure", "message": str(error)}, status=422)


class _Api:
    def __init__(self, cloud: CloudCore) -> None:
        self._cloud = cloud

    async def about(self, _: web.Request) -> web.Response:
        cloud = self._cloud
        about = {
            "kind": "StandInCloudCore",
            "note": "a test double, not KubeEdge's own CloudCore",
            "certificates": cloud.certificates_url,
            "link": cloud.link_url,
            "nodes": sorted(cloud.controller.sessions),
            "received": dict(cloud.record.counts),
            "faults": cloud.faults.active(),
        }
        return web.json_response(about)

    async def token(self, _: web.Request) -> web.Response:
        return web.Response(text=self._cloud.new_token() + "\n")

    async def log(self, request: web.Request) -> web.Response:
        text = self._cloud.record.lines(int(request.query.get("since", "0")))
        return web.Response(text=text, content_type="application/jsonl")

    async def faults(self, _: web.Request) -> web.Response:
        return web.json_response(self._cloud.faults.active())

    async def fault(self, request: web.Request) -> web.Response:
        asked = await request.json()
        kind: Fault = asked.get("kind", "cut")
        if kind not in get_args(Fault):
            reason = f"kind {kind!r} is not a fault; use {', '.join(get_args(Fault))}"
            raise ValueError(reason)
        seconds = float(asked.get("for", 0.0))
        links = self._cloud.start(kind, seconds)
        return web.json_response({"kind": kind, "for": seconds, "links": links, "meaning": MEANING[kind]})

    async def route(self, request: web.Request) -> web.Response:
        node, asked = request.match_info["node"], await request.json()
        operation, topic = asked.get("operation"), asked.get("topic", "")
        if operation not in ROUTED:
            reason = f"operation {operation!r} is not one of the rule router's: {', '.join(ROUTED)}"
            raise ValueError(reason)
        if operation == "subscribe":
            self._cloud.rules.add(node, topic)
        elif operation == "unsubscribe":
            self._cloud.rules.remove(node, topic)
        if not self._cloud.controller.tell(node, routed(operation, topic, asked.get("payload"))):
            raise web.HTTPNotFound(text=f"node {node} is not linked: what a rule says to it now is lost")
        return web.json_response({"node": node, "operation": operation, "topic": topic})

    async def apply(self, request: web.Request) -> web.Response:
        applied = [self._cloud.cluster.apply(_object(one)) for one in yaml.safe_load_all(await request.text()) if one]
        return web.json_response([_name(one) for one in applied])

    async def node(self, request: web.Request) -> web.Response:
        nodes, name = self._cloud.controller.nodes, request.match_info["node"]
        found = nodes.get(name)
        return _found(found and {"node": found, "lease": nodes.get(name, "lease")}, request)

    async def unregister(self, request: web.Request) -> web.Response:
        return _found(self._cloud.controller.unregister(request.match_info["node"]), request)

    async def list(self, request: web.Request) -> web.Response:
        kind = _kind(request)
        return web.json_response({"kind": f"{kind}List", "items": self._cloud.cluster.all(kind)})

    async def get(self, request: web.Request) -> web.Response:
        return _found(self._cloud.cluster.get(*_key(request)), request)

    async def put(self, request: web.Request) -> web.Response:
        kind, namespace, name = _key(request)
        body = _object(yaml.safe_load(await request.text()))
        body.setdefault("kind", kind)
        body["metadata"] = body.get("metadata", {}) | {"namespace": namespace, "name": name}
        return web.json_response(self._cloud.cluster.apply(body))

    async def desire(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.text())
        space, name = request.match_info["namespace"], request.match_info["name"]
        return _found(self._cloud.cluster.desire(space, name, asked["desired"]), request)

    async def delete(self, request: web.Request) -> web.Response:
        return _found(self._cloud.cluster.delete(*_key(request)), request)


def _kind(request: web.Request) -> str:
    plural = request.match_info.get("plural", "devices")
    if plural not in KINDS:
        raise web.HTTPNotFound(text=f"{plural!r} is not kept here; use {', '.join(KINDS)}")
    return KINDS[plural]


def _key(request: web.Request) -> tuple[str, str, str]:
    return _kind(request), request.match_info["namespace"], request.match_info["name"]


def _found(value: Json | None, request: web.Request) -> web.Response:
    if value is None:
        raise web.HTTPNotFound(text=f"{request.path} does not exist")
    return web.json_response(value)


def _object(value: object) -> Json:
    if not isinstance(value, dict):
        reason = "the body is not a Kubernetes object (a JSON or YAML mapping)"
        raise Invalid(reason)
    return value


def _name(value: Json) -> str:
    return f"{value['kind']} {value['metadata']['namespace']}/{value['metadata']['name']}"
