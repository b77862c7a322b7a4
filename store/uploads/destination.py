"""A place far away that takes objects: S3 and what speaks it, Google, Azure, a folder. Loads obstore."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import obstore
from obstore import exceptions, store

from store.uploads import manifest
from store.uploads.envelope import private
from twins.errors import Rejected, Unavailable

PART = 5 * 1024 * 1024
"""Bytes of a part, the least that S3 takes: an object of more goes in parts, and no more than two are in memory."""
_CONNECT = timedelta(seconds=10)
_SILENCE = timedelta(seconds=60)
"""How long the other side may say nothing."""
_REQUEST = timedelta(minutes=30)
"""How long one part may take: 5 MiB at 3 kB/s."""
_BOUND = 300


class Destination:
    """Raises `Rejected` for what can't be meant; the calls raise `Unavailable` with a reason for people."""

    def __init__(self, wanted: manifest.Destination) -> None:
        self._shown = wanted.url
        scheme = urlsplit(wanted.url).scheme
        try:
            self._store: Any = _folder(wanted) if scheme == "file" else _cloud(wanted, scheme)
        except (exceptions.BaseError, ValueError, OSError) as error:
            raise Rejected(f"{wanted.url}: {_brief(error)}") from None

    async def has(self, name: str) -> bool:
        """True if the object is there, whole: none ever is in part."""
        try:
            await obstore.head_async(self._store, name)
        except (exceptions.NotFoundError, FileNotFoundError):
            return False
        except (exceptions.BaseError, OSError) as error:
            raise Unavailable(f"{self._shown}: {_brief(error)}") from error
        return True

    async def put(self, name: str, content: AsyncIterator[bytes], size: int) -> None:
        """The object is there when this returns; nothing of it is seen before."""
        parts = size > PART
        try:
            await obstore.put_async(self._store, name, content, use_multipart=parts, chunk_size=PART, max_concurrency=1)
        except (exceptions.BaseError, OSError) as error:
            raise Unavailable(f"{self._shown}: {_brief(error)}") from error


def _folder(wanted: manifest.Destination) -> Any:
    return store.LocalStore(Path(urlsplit(wanted.url).path), mkdir=True)


def _cloud(wanted: manifest.Destination, scheme: str) -> Any:
    config = {} if wanted.credentials_file is None else _lines(Path(wanted.credentials_file))
    client: dict[str, Any] = {"connect_timeout": _CONNECT, "read_timeout": _SILENCE, "timeout": _REQUEST}
    if wanted.ca_file is not None:
        client["root_certificate"] = Path(wanted.ca_file).read_text("ascii")
    if scheme == "s3":
        config.setdefault("region", wanted.region)
    if wanted.endpoint:
        config["endpoint"] = wanted.endpoint
        client["allow_http"] = wanted.endpoint.startswith("http:")
    # No retries beneath us: what fails is told at once, and tried again by our own clock.
    retry: Any = {"max_retries": 0, "retry_timeout": _REQUEST}
    made: Any = store.from_url(wanted.url, config=config, client_options=client, retry_config=retry)  # type: ignore[call-overload]
    return made


def _lines(path: Path) -> dict[str, str]:
    """`name = value` a line; a `#` begins a comment. Raises `Rejected`."""
    found = {}
    for number, line in enumerate(private(path).decode("utf-8", "replace").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals:
            raise Rejected(f"{path}: line {number} is not `name = value`")
        found[name.strip().lower()] = value.strip()
    return found


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.PermissionDeniedError, "the credentials may not write there"),
    (exceptions.UnauthenticatedError, "the credentials are not accepted"),
    (exceptions.NotFoundError, "there is no such bucket or folder"),
    (FileNotFoundError, "there is no such bucket or folder"),
)
_SAID = re.compile(r" in \S+ - (?:Server returned non-2xx status code: )?(?P<words>[^<\n]*)")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_CAUSE = re.compile(r'(?:message|error): "([^"\\]+)"')


def _brief(error: Exception) -> str:
    """Why, on one line, and the same line each time: obstore tells of each request its name and how long it took."""
    text = str(error)
    known = [words for kind, words in _REASONS if isinstance(error, kind)]
    said = _SAID.search(text)
    words = said["words"].strip(" :") if said else (text.splitlines() or [type(error).__name__])[0]
    more = [found[1] for pattern in (_CODE, _CAUSE) if (found := pattern.search(text))]
    return ": ".join([*known, words, *more])[:_BOUND]
