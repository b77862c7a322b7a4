"""Who may come in at the broker: credentials given and taken back, and a device's own way to trade a code for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from aiohttp import web
from msgspec import Struct

from web.bodies import body_of, id_of, json_of
from web.routes import Route

Means = Literal["password", "code", "certificate"]


class CredentialBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What is wanted for a device. `rotate` gives a new one to a device that has one; `minutes` are a code's."""

    device: str
    means: Means = "password"
    model: str = ""
    rotate: bool = False
    minutes: float = 60.0


class EnrolBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A device's code; with `request`, a signing request in PEM, it gets a certificate, else a password."""

    code: str
    request: str = ""


class CredentialView(Struct, frozen=True):
    """What a device has, times in µs; no secret. A code that waits stands by itself."""

    device: str
    means: Means
    since: int = 0
    until: int = 0


class IssuedView(Struct, frozen=True, omit_defaults=True):
    """What a device needs to come in. Secrets are told this once. `until` in µs, of a code or a certificate."""

    device: str
    user: str
    broker: str = ""
    password: str = ""
    code: str = ""
    certificate: str = ""
    key: str = ""
    authority: str = ""
    until: int = 0
    publish: list[str] = []
    subscribe: list[str] = []


class Enrolment(Protocol):
    """Gives and takes credentials. What is given or taken holds at the broker when a call returns.

    Raises `Rejected` (400, 403, 404, 409, 429) or `Unavailable`. `host` is the name by which the caller reached us.
    """

    def credentials(self) -> Sequence[CredentialView]: ...

    async def issue(self, wanted: CredentialBody, host: str) -> IssuedView: ...

    async def enrol(self, code: str, request: str, host: str, peer: str) -> IssuedView: ...

    async def revoke(self, device: str) -> None: ...


class EnrolmentApi:
    """Handlers of `/api/v1/credentials` and `/api/v1/enrol`."""

    def __init__(self, enrolment: Enrolment) -> None:
        self._enrolment = enrolment

    def routes(self) -> list[Route]:
        one = "/api/v1/credentials/{namespace}/{name}"
        trade = "A device trades its one-time code for its credential"
        return [
            Route("GET", "/api/v1/credentials", self.credentials, "What devices log in with", list[CredentialView]),
            Route("POST", "/api/v1/credentials", self.issue, "Give a device a credential", IssuedView, CredentialBody),
            Route("DELETE", one, self.revoke, "Take a device's credential away"),
            Route("POST", "/api/v1/enrol", self.enrol, trade, IssuedView, EnrolBody, door="open"),
        ]

    async def credentials(self, _request: web.Request) -> web.Response:
        return json_of(self._enrolment.credentials())

    async def issue(self, request: web.Request) -> web.Response:
        return json_of(await self._enrolment.issue(await body_of(request, CredentialBody), request.url.host or ""))

    async def revoke(self, request: web.Request) -> web.Response:
        await self._enrolment.revoke(id_of(request))
        return web.Response(status=204)

    async def enrol(self, request: web.Request) -> web.Response:
        body = await body_of(request, EnrolBody)
        host, peer = request.url.host or "", request.remote or ""
        return json_of(await self._enrolment.enrol(body.code, body.request, host, peer))
