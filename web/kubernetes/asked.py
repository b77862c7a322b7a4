"""What a request asks for: what its address names, and Kubernetes' parameters. All raise `Failure`."""

from __future__ import annotations

from aiohttp import web

from web.kubernetes.resources import BY_PLURAL, Resource
from web.kubernetes.selectors import Selector, selector
from web.kubernetes.status import Failure


def resource_of(request: web.Request, verb: str) -> Resource:
    found = BY_PLURAL.get(request.match_info["resource"])
    if found is None:
        raise Failure(404, "the server could not find the requested resource")
    if verb not in found.verbs:
        raise Failure(405, f"{found.plural} are made by what devices report: they are read, and not written")
    return found


def key_of(request: web.Request) -> str:
    """`namespace/name`."""
    return f"{request.match_info['namespace']}/{request.match_info['name']}"


def selector_of(request: web.Request) -> Selector:
    query, place = request.query, request.match_info
    labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
    return selector(labels, fields, place.get("namespace", ""), place.get("name", ""))


def true(request: web.Request, name: str) -> bool:
    """A parameter as Go reads a truth."""
    return request.query.get(name, "").lower() in ("1", "t", "true")


def number(request: web.Request, name: str, default: int) -> int:
    """A parameter that is a number; the default when it is absent or 0."""
    text = request.query.get(name, "") or "0"
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Failure(400, f"{name}: {text[:40]!r} is no number")
    return int(text) or default


def version_of(request: web.Request) -> int:
    """`resourceVersion`; 0 for any."""
    return number(request, "resourceVersion", 0)


def dry(request: web.Request) -> bool:
    """True when nothing is to be changed."""
    asked = request.query.getall("dryRun", [])
    if asked not in ([], ["All"]):
        raise Failure(422, 'dryRun: "All" is the only value there is')
    return bool(asked)
