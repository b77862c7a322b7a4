"""One stream to the gateway, on a channel of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio

from simulator.phone.options import PhoneOptions
from simulator.wire import offload_pb2 as pb

OVER = (asyncio.InvalidStateError, grpc.aio.AioRpcError)
"""What writing raises when the stream is over: reading says why."""
_SESSION = "/gemelo.offload.v1.Offload/Session"
_CHANNEL = [
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.use_local_subchannel_pool", 1),
]


class Stream:
    """Messages to the gateway and from it; a gRPC call takes one write at a time."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._writing = asyncio.Lock()

    async def read(self) -> pb.ServerMessage | None:
        """The next message; `None` when no more will come. Raises `grpc.aio.AioRpcError` for what broke it."""
        message = await self._call.read()
        return message if isinstance(message, pb.ServerMessage) else None

    async def write(self, message: pb.ClientMessage) -> None:
        """Raises one of `OVER` when nobody takes it."""
        async with self._writing:
            await self._call.write(message)

    async def end(self) -> None:
        """Say that nothing more is written."""
        await self._call.done_writing()


@asynccontextmanager
async def opened(options: PhoneOptions) -> AsyncIterator[Stream]:
    """A new stream. Its channel is new too: one whose network went away may never say so (grpc-java #5375)."""
    async with _channel(options) as channel:
        session = channel.stream_stream(
            _SESSION,
            request_serializer=pb.ClientMessage.SerializeToString,
            response_deserializer=pb.ServerMessage.FromString,
        )
        metadata = (("authorization", f"Bearer {options.token}"),) if options.token else ()
        yield Stream(session(metadata=metadata))


def _channel(options: PhoneOptions) -> Any:
    if options.authority is None:
        return grpc.aio.insecure_channel(options.address, options=_CHANNEL)
    authority = grpc.ssl_channel_credentials(options.authority.read_bytes())
    return grpc.aio.secure_channel(options.address, authority, options=_CHANNEL)
