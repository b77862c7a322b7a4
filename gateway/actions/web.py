"""Calls of web servers: an action's id is the key of idempotency, the body is signed where that is asked for.

Nothing is concluded from an address: a target in a private network is as good as any other, for whoever may apply a
rule may also use the network of the gateway.
"""

from __future__ import annotations

import asyncio
import hmac
import ssl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.actions.task import Away, Finished
from rules.instructions import Act
from rules.tasks import Post
from twins.errors import Rejected, Unavailable

if TYPE_CHECKING:
    import aiohttp

ATTEMPT = 10.0
"""Seconds that one attempt may take."""
PASSING = frozenset({408, 425, 429})
"""Answers that say: later. So does every 5xx."""
LONGEST_REST = 300.0
"""Seconds of a `Retry-After` that are kept to."""


class Web:
    """One session for all calls, made with the first; `close` ends it."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def perform(self, act: Act) -> Finished:
        """Do a `Post`."""
        task = act.task
        assert isinstance(task, Post)  # what it is registered for
        body = task.body.encode()
        headers = {"Content-Type": "application/json"} | task.headers
        if task.key_file:
            headers[task.signed] = f"sha256={hmac.new(await secret(task.key_file), body, 'sha256').hexdigest()}"
        return Finished(await self.call(task.url, task.method, headers, body, act.id, task.ca_file))

    async def call(
        self, url: str, method: str, headers: Mapping[str, str], body: bytes, ident: str, ca_file: str = ""
    ) -> str:
        """The answer in words. Raises `Unavailable` for one that may be another next time, `Rejected` for others."""
        import aiohttp

        trust = await asyncio.to_thread(_trust, ca_file)
        try:
            async with (
                asyncio.timeout(ATTEMPT),
                self._opened().request(
                    method, url, data=body, headers={**headers, "Idempotency-Key": ident}, ssl=trust,
                    allow_redirects=False,
                ) as answer,
            ):  # fmt: skip
                status, rest = answer.status, answer.headers.get("Retry-After", "")
        except TimeoutError:
            raise Unavailable(f"no answer within {ATTEMPT:g} s") from None
        except aiohttp.InvalidURL:  # what it says, and what the next one does, is the whole URL, which may be a secret
            raise Rejected("it cannot be called: its URL is none") from None
        except aiohttp.ClientResponseError as error:
            raise Unavailable(f"no answer by the rules of HTTP: {error.message[:100]}") from None
        except (aiohttp.ClientError, OSError) as error:  # a certificate that is not trusted is a ValueError too
            raise Unavailable(str(error) or type(error).__name__) from None
        except ValueError as error:
            raise Rejected(f"it cannot be called: {error}") from None
        if 200 <= status < 300:
            return f"answered {status}"
        if status >= 500 or status in PASSING:
            raise Away(f"it answers {status}", _seconds(rest))
        raise Rejected(f"it answers {status}" + (", a redirection, which is not followed" if status < 400 else ""))

    async def close(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            connector = aiohttp.TCPConnector(limit=128, limit_per_host=4)
            agent = {"User-Agent": "gemelo"}
            self._session = aiohttp.ClientSession(
                connector=connector, headers=agent, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            )
        return self._session


async def secret(path: str) -> bytes:
    """The secret in a file, without the line's end. Raises `Unavailable`: it may be there next time."""
    try:
        found = await asyncio.to_thread(Path(path).read_bytes)
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}") from None
    if not found.strip():
        raise Unavailable(f"{path} is empty: write the secret into it")
    return found.strip()


def _trust(ca_file: str) -> ssl.SSLContext | bool:
    """Whose certificates are taken: the system's authorities, or those of a file. Raises `Unavailable`."""
    if not ca_file:
        return True
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # SSLError is one
        raise Unavailable(f"{ca_file} cannot be used: {error.strerror or error}") from None


def _seconds(said: str) -> float:
    """What a `Retry-After` asks for in seconds; a date counts as nothing."""
    with suppress(ValueError):
        return min(LONGEST_REST, max(0.0, float(said)))
    return 0.0
