"""The console page: a handful of files, held in memory, so that no path of a request ever reaches the disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

from aiohttp import web

TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class Pages:
    """Serves `/` and `/static/{file}` from `folder`, read once."""

    def __init__(self, folder: Path = Path(__file__).parent / "static") -> None:
        self._files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in TYPES}
        self._tags = {name: hashlib.sha256(body).hexdigest()[:16] for name, body in self._files.items()}

    async def index(self, request: web.Request) -> web.Response:
        return self._serve(request, "index.html")

    async def file(self, request: web.Request) -> web.Response:
        return self._serve(request, request.match_info["file"])

    def _serve(self, request: web.Request, name: str) -> web.Response:
        body = self._files.get(name)
        if body is None:
            raise web.HTTPNotFound
        return tagged(request, body, self._tags[name], TYPES[Path(name).suffix], charset="utf-8")


def tagged(request: web.Request, body: bytes, tag: str, kind: str, charset: str | None = None) -> web.Response:
    """`body`, or 304 when the client has this version already."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
    if any(known.value in (tag, "*") for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type=kind, charset=charset, headers=headers)
