"""The gateway's live stream, as the commands that follow it read it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp

from gateway.terminal.client import Place
from twins.errors import Rejected, Unavailable


async def changes(place: Place) -> AsyncGenerator[dict[str, Any], None]:
    """Everything there is, then what changed, as the page gets it (`web.views.Snapshot`), until the caller closes it.

    Raises `Rejected` when a token is wanted, `Unavailable` when the gateway does not answer or ends.
    """
    try:
        async with (
            place.session(None) as session,
            session.ws_connect(f"{place.url}/api/v1/live", heartbeat=20, max_msg_size=0) as live,
        ):
            async for message in live:
                yield json.loads(message.data)
    except aiohttp.WSServerHandshakeError as error:
        if error.status in {401, 403}:
            raise Rejected(f"{place.url} wants a token: set GEMELO_TOKEN, or give its gateway.toml with -c") from None
        raise place.absent(error) from None
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise place.absent(error) from None
    raise Unavailable(f"the gateway at {place.url} has ended, or closed the stream")
