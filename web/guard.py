"""What a browser may do here, whatever page it is on: names, origins, content types, headers.

A page elsewhere can make a browser send requests to loopback. Against that: `Host` must be a name of ours (DNS
rebinding), `Origin` must be our own page for anything that writes and for the WebSocket (cross-site requests), bodies
must be of a type that no form can send, and no answer may be framed or sniffed.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web

from web.config import loopback
from web.problems import Problem

POLICY = "Content-Security-Policy"
HEADERS = {
    "Server": "gemelo",
    POLICY: (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
SAFE = ("GET", "HEAD")


class Guard:
    """`listening` is the host we listen on; `hosts` are further names we may be called by."""

    def __init__(self, listening: str, hosts: tuple[str, ...]) -> None:
        self._open = not loopback(listening)
        self._hosts = {listening.lower(), *(host.lower() for host in hosts)}

    def check(self, request: web.Request, *, live: bool = False) -> None:
        """Raise Problem unless the request may pass; `live` asks for our origin on a GET too."""
        if not self._ours(request.host):
            detail = f'this gateway is not called "{request.host[:100]}"; to allow the name, add it to [web] hosts'
            raise Problem(421, "Not a name of this gateway", detail)
        if (live or request.method not in SAFE) and not self._same_origin(request):
            detail = "the request comes from another page; only the gateway's own page and programs may do this"
            raise Problem(403, "Wrong origin", detail)

    def _ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return loopback(name) or name in self._hosts or (self._open and _is_address(name))

    @staticmethod
    def _same_origin(request: web.Request) -> bool:
        # Browsers send Origin on every cross-site write and on every WebSocket; programs send none.
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return False
        origin = request.headers.get("Origin")
        if origin is None:
            return True
        scheme, _, host = origin.lower().partition("://")
        # Behind a proxy that ends TLS the page's origin is https while we are asked in http.
        return host == request.host.lower() and scheme in (request.scheme, "https")


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """A signal for `on_response_prepare`. What is served with a policy of its own keeps that."""
    own = response.headers.get(POLICY)
    for name, value in HEADERS.items():
        response.headers[name] = value
    if own is not None:
        response.headers[POLICY] = own
    response.headers.setdefault("Cache-Control", "no-store")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
