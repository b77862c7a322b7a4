"""POST, PUT, PATCH and DELETE: the gateway applies the object, and it is read back as everybody sees it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct

from twins.errors import Rejected
from twins.values import NAME_RULE, is_name
from web.kubernetes.asked import dry, key_of, resource_of
from web.kubernetes.history import Entry
from web.kubernetes.mirror import Mirror
from web.kubernetes.patches import patched
from web.kubernetes.ports import Objects
from web.kubernetes.resources import GROUP_VERSION, Resource
from web.kubernetes.status import Failure, conflict, details, not_found, refused, status
from web.routes import JSON

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


class _Options(Struct, rename="camel"):
    """`DeleteOptions`, as far as they mean something here."""

    preconditions: dict[str, Any] | None = None
    dry_run: list[str] | None = None


class Writing:
    """Handlers of what changes an object. One after the other, so that a version that was checked still holds."""

    def __init__(self, objects: Objects, mirror: Mirror) -> None:
        self._objects = objects
        self._mirror = mirror
        self._turn = asyncio.Lock()

    async def create(self, request: web.Request) -> web.Response:
        resource = resource_of(request, "create")
        manifest = _manifest(resource, request, msgspec.json.decode(await _json(request)))
        name = manifest["metadata"]["name"]
        key = f"{request.match_info['namespace']}/{name}"
        async with self._turn:
            if await self._entry(resource, key) is not None:
                message = f'{resource.qualified} "{name}" already exists'
                raise Failure(409, message, reason="AlreadyExists", details=details(resource, name))
            return await self._write(request, resource, key, manifest, 201)

    async def replace(self, request: web.Request) -> web.Response:
        resource = resource_of(request, "update")
        manifest = _manifest(resource, request, msgspec.json.decode(await _json(request)))
        key = key_of(request)
        async with self._turn:
            _check_version(resource, manifest, await self._existing(resource, key))
            return await self._write(request, resource, key, manifest, 200)

    async def patch(self, request: web.Request) -> web.Response:
        resource, key = resource_of(request, "patch"), key_of(request)
        patch = await request.read()
        async with self._turn:
            entry = await self._existing(resource, key)
            found = patched(msgspec.json.decode(entry.body), patch, request.content_type)
            manifest = _manifest(resource, request, found)
            _check_version(resource, manifest, entry)
            return await self._write(request, resource, key, manifest, 200)

    async def delete(self, request: web.Request) -> web.Response:
        resource, key = resource_of(request, "delete"), key_of(request)
        options = msgspec.json.decode(await request.read() or b"{}", type=_Options)
        async with self._turn:
            entry = await self._existing(resource, key)
            _check_version(resource, {"metadata": options.preconditions or {}}, entry)
            held = msgspec.json.decode(entry.body)
            if not (dry(request) or options.dry_run):
                try:
                    await self._objects.delete(resource.kind, key)
                except Rejected as error:
                    raise refused(resource, entry.name, error) from error
        done = details(resource, entry.name) | {"uid": held["metadata"].get("uid", "")}
        return web.Response(body=msgspec.json.encode(status("Success", 200, details=done)), content_type=JSON)

    async def _write(
        self, request: web.Request, resource: Resource, key: str, manifest: dict[str, Any], code: int
    ) -> web.Response:
        name = manifest["metadata"]["name"]
        try:
            await self._objects.write(manifest, dry=dry(request))
        except Rejected as error:
            raise refused(resource, name, error) from error
        if dry(request):
            return web.Response(body=msgspec.json.encode(manifest), status=code, content_type=JSON)
        self._mirror.touch(resource.kind, key)
        entry = await self._existing(resource, key)
        return web.Response(body=entry.body, status=code, content_type=JSON)

    async def _existing(self, resource: Resource, key: str) -> Entry:
        entry = await self._entry(resource, key)
        if entry is None:
            raise not_found(resource, key.partition("/")[2])
        return entry

    async def _entry(self, resource: Resource, key: str) -> Entry | None:
        return (await self._mirror.fresh(resource.kind)).entries.get(key)


async def _json(request: web.Request) -> bytes:
    # Official clients send objects without a type, and Kubernetes takes them; forms of other pages have one of theirs.
    if "Content-Type" in request.headers and request.content_type != JSON:
        raise Failure(415, f"send the object with Content-Type: {JSON}")
    return await request.read()


def _manifest(resource: Resource, request: web.Request, data: object) -> dict[str, Any]:
    """The object of a body, which is what its address says: kind, namespace and name."""
    if not isinstance(data, dict):
        raise Failure(400, f"the body is no {resource.kind}")
    for key, right in (("apiVersion", GROUP_VERSION), ("kind", resource.kind)):
        if data.get(key, right) != right:
            raise Failure(400, f"{key}: {str(data[key])[:80]!r} does not belong here: this address takes {right}")
    metadata = data.get("metadata")
    if not isinstance(metadata, dict):
        raise Failure(422, "metadata: Required value: it has the name")
    place = request.match_info
    for key in ("namespace", "name"):
        if key in place and metadata.get(key) not in (None, "", place[key]):
            said = str(metadata[key])[:80]
            raise Failure(400, f"the {key} of the object ({said}) is not the {key} of the address ({place[key]})")
    own = metadata | {"namespace": place["namespace"], "name": place.get("name", metadata.get("name", ""))}
    for key in ("namespace", "name"):
        if not isinstance(own[key], str) or not is_name(own[key]):
            raise Failure(422, f"metadata.{key}: {str(own[key])[:80]!r} is no name: {NAME_RULE}")
    return data | {"apiVersion": GROUP_VERSION, "kind": resource.kind, "metadata": own}


def _check_version(resource: Resource, manifest: dict[str, Any], entry: Entry) -> None:
    """Raise `Failure` (409) for a change of another object of this name, or of an older version of it."""
    metadata = manifest["metadata"]
    uid = msgspec.json.decode(entry.body)["metadata"].get("uid")
    if metadata.get("uid") not in (None, "", uid):
        raise conflict(resource, entry.name, f"its uid is {uid}: it was deleted and made anew")
    if str(metadata.get("resourceVersion") or entry.version) != str(entry.version):
        raise conflict(resource, entry.name, MODIFIED)
