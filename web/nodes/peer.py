"""Asking another node: over TLS to the one of that fingerprint alone, within a deadline and a number of bytes."""

from __future__ import annotations

import ssl

import aiohttp
import msgspec
from msgspec import Struct

from runtime.clock import Clock
from twins.errors import Unavailable
from web.nodes.alarm import Alarm
from web.nodes.door import CUT, NEWEST, PATH, PLAN, ROWS, Asking, problem
from web.nodes.identity import Identity
from web.nodes.manifest import Node
from web.nodes.tls import NodeContext, asking

NO_ROOM = "its answer has no room: ask for less time, fewer series or columns"
_CHUNK = 65_536
_PLAN = 300
_ANSWER = 2.0
"""Seconds beside the query's own in which its answer comes."""


class Answered(Struct, frozen=True):
    """An Arrow stream of `rows`. `cut` says why it is not all; `newest` is the time (µs) of the newest point."""

    body: bytes
    rows: int
    cut: str
    newest: int
    plan: str = ""


class Peers:
    """Nodes that can be asked."""

    def __init__(self, identity: Identity, clock: Clock, alarm: Alarm) -> None:
        self._identity = identity
        self._clock = clock
        self._alarm = alarm
        self._contexts: dict[str, NodeContext] = {}

    async def ask(self, node: Node, asked: Asking, room: int) -> Answered:
        """One answer, of `room` bytes at most. Raises Unavailable with the reason, whatever it is."""
        url = node.spec.url.rstrip("/")
        if not url:
            raise Unavailable("its manifest has no url")
        context = self._context(node.spec.fingerprint)
        timeout = aiohttp.ClientTimeout(total=asked.deadline + _ANSWER)
        try:
            connector = aiohttp.TCPConnector(ssl=context, force_close=True)
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session,
                session.post(f"{url}{PATH}", data=msgspec.json.encode(asked), headers=_JSON) as answer,
            ):
                body = await _body(answer, room if answer.status == 200 else _CHUNK)
        except TimeoutError:
            raise Unavailable(f"no answer within {asked.deadline:g} s") from None
        except ssl.SSLCertVerificationError as error:
            reason = str(getattr(error, "certificate_error", error).args[-1])
            self._alarm.tell(node.metadata.name, f"{node.metadata.name} at {url} was asked nothing: {reason}")
            raise Unavailable(reason) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unavailable(_explained(error)) from error
        if answer.status != 200:
            raise Unavailable(problem(body) or f"it answered {answer.status}")
        rows, newest = _number(answer, ROWS), _number(answer, NEWEST)
        if rows is None or newest is None or not (body.startswith(_STREAM) and body.endswith(_END)):
            raise Unavailable("its answer is not what a node answers")
        return Answered(body, rows, answer.headers.get(CUT, ""), newest, answer.headers.get(PLAN, "")[:_PLAN])

    def _context(self, fingerprint: str) -> NodeContext:
        found = self._contexts.get(fingerprint)
        if found is None:
            try:
                _ = self._identity.certificate  # made at first need
                found = asking(self._identity.file, fingerprint, self._clock)
            except OSError as error:
                raise Unavailable(f"our own certificate cannot be used: {self._identity.file}: {error}") from error
            self._contexts[fingerprint] = found
        return found


def _number(answer: aiohttp.ClientResponse, name: str) -> int | None:
    """A whole number of 64 bits in the head of an answer."""
    try:
        number = int(answer.headers[name])
    except (KeyError, ValueError):
        return None
    return number if -(2**63) <= number < 2**63 else None


_STREAM, _END = b"\xff\xff\xff\xff", b"\xff\xff\xff\xff\0\0\0\0"
"""How an Arrow IPC stream begins, and how one ends that is whole."""
_JSON = {"Content-Type": "application/json"}


async def _body(answer: aiohttp.ClientResponse, room: int) -> bytes:
    parts = []
    async for chunk in answer.content.iter_chunked(_CHUNK):
        room -= len(chunk)
        if room < 0:
            raise Unavailable(NO_ROOM)
        parts.append(chunk)
    return b"".join(parts)


def _explained(error: Exception) -> str:
    """In words for people."""
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(inner, ssl.SSLError):
        return f"TLS: {inner.reason or inner}: has it a Node manifest with our certificate?"
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or str(error.os_error) or str(error)
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError | aiohttp.ClientOSError):
        return "it hung up: has it a Node manifest with our certificate?"
    return str(error) or type(error).__name__
