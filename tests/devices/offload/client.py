"""A bare client of the offload protocol, on the simulator's copy of the messages: it shares no code with the door."""

from __future__ import annotations

import asyncio
import io
import time

import grpc
import grpc.aio

from simulator.wire import offload_pb2 as pb

SERVICE = "/gemelo.offload.v1.Offload/"


def jpeg(shade: int = 200, side: int = 32) -> bytes:
    """A real JPEG of one shade of gray, 0..255."""
    from PIL import Image

    out = io.BytesIO()
    Image.new("L", (side, side), shade).save(out, "JPEG")
    return out.getvalue()


def frame(seq: int, shade: int = 200, **fields: object) -> pb.ClientMessage:
    given = {"format": pb.JPEG, "data": jpeg(shade), "client_ts_us": time.monotonic_ns() // 1000} | fields
    return pb.ClientMessage(frame=pb.Frame(seq=seq, **given))


class Client:
    """One stream. Every wait has a deadline; `results` keeps what came."""

    def __init__(self, address: str, token: str = "", options: list[tuple[str, int]] | None = None) -> None:
        own = [("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.aio.insecure_channel(address, options=own + (options or []))
        self.metadata = [("authorization", f"Bearer {token}")] if token else []
        self.results: list[pb.Result] = []
        self.credit = 0

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.channel.close()

    async def register(self, **fields: object) -> pb.RegisterReply:
        method = self.channel.unary_unary(
            f"{SERVICE}Register",
            request_serializer=pb.RegisterRequest.SerializeToString,
            response_deserializer=pb.RegisterReply.FromString,
        )
        return await method(pb.RegisterRequest(**fields), metadata=self.metadata, timeout=10)

    async def open(self, device: str = "phone-1", **fields: object) -> pb.Welcome:
        """Say Hello; raises what the door refuses with."""
        method = self.channel.stream_stream(
            f"{SERVICE}Session",
            request_serializer=pb.ClientMessage.SerializeToString,
            response_deserializer=pb.ServerMessage.FromString,
        )
        self.call = method(metadata=self.metadata)
        await self.send(pb.ClientMessage(hello=pb.Hello(**({"protocol": 1, "device_id": device} | fields))))
        welcome = (await self.next()).welcome
        self.credit = welcome.credit
        return welcome

    async def send(self, message: pb.ClientMessage) -> None:
        async with asyncio.timeout(10):
            await self.call.write(message)

    async def next(self) -> pb.ServerMessage:
        """The next message; `EOFError` when the stream ended well, `AioRpcError` when not."""
        async with asyncio.timeout(10):
            message = await self.call.read()
        if not isinstance(message, pb.ServerMessage):
            raise EOFError
        self.credit += message.result.credit + message.grant.credit
        if message.HasField("result"):
            self.results.append(message.result)
        return message

    async def result(self) -> pb.Result:
        """The next Result; others are passed over."""
        while not (message := await self.next()).HasField("result"):
            pass
        return message.result

    async def until(self, kind: str) -> pb.ServerMessage:
        while (message := await self.next()).WhichOneof("body") != kind:
            pass
        return message

    async def ended(self) -> grpc.StatusCode:
        """The status that the stream ends with; what still comes is kept."""
        try:
            while True:
                await self.next()
        except EOFError:
            return grpc.StatusCode.OK
        except grpc.aio.AioRpcError as error:
            return error.code()
