"""How a device gets what it logs in with, and how it is taken away again. Each is recorded as an event.

A credential holds at the broker when a call returns, and one that was taken back holds no more: its connections are
cut. A deleted device loses its credential too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct

from devices.mqtt import rights
from devices.mqtt.credentials import Credential, Credentials
from gateway.config import Config, address
from gateway.manifests.registry import Registry
from gateway.ownbroker import OwnBroker
from runtime.clock import Clock
from twins.errors import Rejected, Unavailable
from twins.exchange import Event, Severity
from twins.stimuli import Noted, Stimulus
from twins.values import NAME_RULE, is_name
from web.enrolment import CredentialBody, CredentialView, IssuedView

logger = logging.getLogger(__name__)

GUESSES = 10
"""Wrong codes that one address may send in a minute; after that its right ones are not taken either."""
PEERS = 1024
LONGEST = 7 * 24 * 60.0
"""Minutes that a code may be good for."""
_MINUTE = 60.0
_EVERYWHERE = {"0.0.0.0", "::", ""}


class Doorkeeper(Protocol):
    """The broker's side: `Messaging`."""

    @property
    def address(self) -> str: ...

    @property
    def own(self) -> OwnBroker: ...

    def cut(self, user: str) -> None: ...


class Offer(Protocol):
    """Where stimuli go."""

    def __call__(self, stimuli: Sequence[Stimulus]) -> bool: ...


class _Guess(Struct):
    since: float
    wrong: int = 0


class Enrolment:
    """Implements `web.enrolment.Enrolment`."""

    def __init__(
        self,
        config: Callable[[], Config],
        credentials: Credentials,
        broker: Doorkeeper,
        registry: Registry,
        offer: Offer,
        clock: Clock,
        next_cause: Callable[[], str],
        granted: rights.Granted = rights.nothing,
    ) -> None:
        self._config = config
        self._credentials = credentials
        self._broker = broker
        self._registry = registry
        self._offer = offer
        self._clock = clock
        self._next_cause = next_cause
        self._granted = granted
        self._guesses: dict[str, _Guess] = {}
        self._gone: dict[str, Credential] = {}
        self._deleted = asyncio.Event()

    def restore(self) -> None:
        """Take up what was kept, before anything runs; then devices that are deleted lose their credential."""
        if fault := self._credentials.load():
            logger.error("%s", fault)
            self._tell("broker", fault, "error")
        self._registry.watch("Device", self._watch)

    async def run(self) -> None:
        """Take away at the broker what deleted devices had, until cancelled."""
        while True:
            await self._deleted.wait()
            self._deleted.clear()
            gone, self._gone = self._gone, {}
            try:
                await self._settle(gone)
            except (Unavailable, OSError) as error:
                self._gone = gone | self._gone
                logger.warning("credentials of deleted devices could not be taken away yet: %s", error)
                await self._clock.sleep(5.0)
                self._deleted.set()

    def credentials(self) -> list[CredentialView]:
        views = [CredentialView(c.device, "code", until=c.until) for c in self._credentials.codes()]
        for device, c in self._credentials.all():
            views.append(CredentialView(device, "certificate" if c.serial else "password", c.since, c.until))
        return sorted(views, key=lambda v: (v.device, v.means))

    async def issue(self, wanted: CredentialBody, host: str) -> IssuedView:
        """Give a device a credential; a device that nobody declared is declared."""
        device = wanted.device if "/" in wanted.device else f"default/{wanted.device}"
        self._refuse_useless(wanted.means)
        if not all(is_name(part) for part in device.split("/", 1)):
            raise Rejected(f"{device[:80]!r} is no device: {NAME_RULE}")
        held = self._credentials.of(device)
        if held is not None and not wanted.rotate:
            raise Rejected(f"{device} has a credential already: gemelo device rotate {device} gives another", 409)
        if held is None and wanted.rotate and not any(c.device == device for c in self._credentials.codes()):
            raise Rejected(f"{device} has no credential: gemelo device add {device}", 404)
        await self._declare(device, wanted.model)
        if wanted.means == "code":
            if not 0 < wanted.minutes <= LONGEST:
                raise Rejected(f"minutes = {wanted.minutes:g}: a code is good for up to {LONGEST:g} minutes")
            code, until = self._credentials.give_code(device, wanted.minutes * _MINUTE)
            await self._credentials.save()
            self._tell(device, "a one-time code was made for it", "info")
            return IssuedView(device, device, code=code, until=until)
        return await self._give(device, host, certificate=wanted.means == "certificate")

    async def enrol(self, code: str, request: str, host: str, peer: str) -> IssuedView:
        """Trade a code. Raises `Rejected`: 403 for a wrong one, 429 for an address that guesses."""
        self._refuse_useless("certificate" if request else "password")
        guess = self._guess(peer)
        if guess.wrong >= GUESSES:
            raise Rejected(f"{GUESSES} wrong codes came from {peer}: wait a minute", 429)
        try:
            device = self._credentials.use_code(code)
        except Rejected:
            guess.wrong += 1
            self._tell("enrolment", f"a wrong code came from {peer}")
            raise
        return await self._give(device, host, certificate=bool(request), request=request)

    async def revoke(self, device: str) -> None:
        waits = any(c.device == device for c in self._credentials.codes())
        held = self._credentials.remove(device)
        if held is None and not waits:
            raise Rejected(f"{device} has no credential: gemelo device list shows who has", 404)
        await self._settle({} if held is None else {device: held})

    async def _give(self, device: str, host: str, *, certificate: bool, request: str = "") -> IssuedView:
        """A password or a certificate in place of what the device has; it holds when this returns."""
        held = self._credentials.of(device)
        own = rights.topics(device, self._granted)
        if certificate:
            made = self._broker.own.authority.issue(device, request)
            self._credentials.give_certificate(device, made.serial, made.until)
            given: dict[str, Any] = {
                "broker": _reached(self._broker.own.encrypted, host),
                "certificate": made.certificate,
                "key": made.key,
                "authority": self._broker.own.authority.certificate,
                "until": made.until,
            }
        else:
            password = self._credentials.give_password(device)
            given = {"broker": _reached(self._broker.address, host), "password": password}
        await self._settle({} if held is None else {device: held})
        self._tell(device, f"it has a new {'certificate' if certificate else 'password'}", "info")
        return IssuedView(device, device, publish=list(own.writes), subscribe=list(own.reads), **given)

    async def _settle(self, gone: dict[str, Credential]) -> None:
        """Make what changed hold: on disk, then at the broker. `gone` is what devices had before."""
        await self._credentials.save()
        await self._broker.own.reread()
        for device, credential in gone.items():
            if credential.serial:
                self._broker.cut(device)
            self._tell(device, "what it logged in with holds no more", "info")

    async def _declare(self, device: str, model: str) -> None:
        """Declare a device that has no manifest yet."""
        declared = dict(self._registry.of("Device")).get(device)
        if declared is not None:
            ref = declared.spec.device_model_ref
            if model and (ref is None or ref.name != model):
                raise Rejected(f"{device} is declared with another model: change it by gemelo apply", 409)
            return
        namespace, _, name = device.partition("/")
        if model and f"{namespace}/{model}" not in dict(self._registry.of("DeviceModel")):
            raise Rejected(f"there is no DeviceModel {namespace}/{model}: apply it first", 404)
        body = {
            "apiVersion": "devices.kubeedge.io/v1beta1",
            "kind": "Device",
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"deviceModelRef": {"name": model}} if model else {},
        }
        await self._registry.apply(body, f"device {device}")

    def _refuse_useless(self, means: str) -> None:
        """Raise `Rejected` (409) where the broker would not look at a credential, `Unavailable` where it is not up."""
        section = self._config().broker
        if section.url:
            raise Rejected(f"the broker at {section.url} is yours: its users and rights are made there", 409)
        if section.anonymous:
            raise Rejected("[broker] anonymous = true: everybody may come in, credentials mean nothing", 409)
        if means == "certificate" and not section.tls_listen:
            raise Rejected('certificates need [broker] tls_listen = "HOST:8883"', 409)
        if means != "code" and not self._broker.address:
            raise Unavailable("the broker is being started: try again")

    def _guess(self, peer: str) -> _Guess:
        """What an address tried within the minute."""
        now = self._clock.monotonic()
        guess = self._guesses.get(peer)
        if guess is None or now - guess.since >= _MINUTE:
            self._guesses.pop(peer, None)
            while len(self._guesses) >= PEERS:
                del self._guesses[next(iter(self._guesses))]
            guess = self._guesses[peer] = _Guess(now)
        return guess

    def _watch(self, device: str, manifest: object) -> None:
        if manifest is None and (held := self._credentials.remove(device)) is not None:
            self._gone[device] = held
            self._deleted.set()

    def _tell(self, who: str, message: str, severity: Severity = "warning") -> None:
        cause, now = self._next_cause(), self._clock.now()
        event = Event(f"{cause}:{who}:security", now, "security", who, severity, message, cause)
        self._offer((Noted("", cause, now, event),))


def _reached(listen: str, host: str) -> str:
    """An address of the broker as the caller can reach it: on all addresses it is on the one he came by."""
    where = address(listen)
    if where is None or where[0] not in _EVERYWHERE:
        return listen
    return f"[{host}]:{where[1]}" if ":" in host else f"{host}:{where[1]}"
