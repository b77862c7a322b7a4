"""Calls one mapper: tells it what changed, the newest of each thing, until it has heard all; then waits for news.

A call that finds nobody, or has no answer within its deadline, ends the round; what was not told stays marked, and is
told when the mapper registers again or answers again. What it refuses is told to a person and tried again later.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import grpc
import grpc.aio

from devices.dmi.book import Book
from devices.dmi.config import DmiConfig
from devices.dmi.convert import likeness
from devices.dmi.counts import DmiCounts
from devices.dmi.letters import Letters, Note
from devices.dmi.route import Key, Route
from devices.dmi.wire import dmi_pb2 as pb
from runtime.backoff import Backoff
from twins.errors import Rejected, Unavailable

logger = logging.getLogger(__name__)

SERVICE = "v1beta1.DeviceMapperService"
Code = grpc.StatusCode
AWAY = {Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.CANCELLED}
NOT_KNOWN = {Code.NOT_FOUND, Code.UNKNOWN}
"""KubeEdge's mapper-framework has no status of its own for an update of what it does not know."""
OPTIONS = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
"""A connection of its own: gRPC would have it share, with others, the time that it waits after a failure."""


class Courier:
    """The client of the mapper of one protocol."""

    def __init__(
        self, protocol: str, book: Book, letters: Letters, config: DmiConfig, note: Note, counts: DmiCounts
    ) -> None:
        self._protocol = protocol
        self._book = book
        self._letters = letters
        self._config = config
        self._note = note
        self._counts = counts
        self._absence = Backoff(config.backoff_first, config.backoff_limit)
        self._refusal = Backoff(config.backoff_first, config.backoff_limit)
        self._refusals: dict[Key, str] = {}

    async def run(self) -> None:
        route = self._book.routes[self._protocol]
        is_quiet = not route.fresh  # one that has just registered may open its own door a little later
        while True:
            if route.renewed.is_set():  # it lives, and its own door opens soon
                self._absence.reset()
            route.news.clear()
            route.renewed.clear()
            try:
                await self._round(route, is_quiet=is_quiet)
            except Unavailable as away:
                self._lost(route, str(away))
                await _either(route.renewed, self._absence.next())
                route.retry()
                is_quiet = True
                continue
            self._reached(route)
            self._absence.reset()
            if route.refused:
                is_quiet = not await _either(route.news, self._refusal.next())
                route.retry()
            else:
                self._refusal.reset()
                is_quiet = not await _either(route.news, self._config.probe_interval)

    async def _round(self, route: Route, *, is_quiet: bool) -> None:
        """Tell all that is marked; when nothing was for a while, see that it is there. Raises `Unavailable`."""
        key = route.next(self._serves)
        if key is None:
            if is_quiet:
                await _probe(route.spec.address)
            return
        generation = route.generation
        async with grpc.aio.insecure_channel(f"unix:{route.spec.address}", options=OPTIONS) as channel:
            while key is not None and generation == route.generation:
                try:
                    await self._bring(channel, route, key)
                except Unavailable:
                    route.touch(key)
                    raise
                key = route.next(self._serves)
        if key is not None:
            route.touch(key)

    async def _bring(self, channel: Any, route: Route, key: Key) -> None:
        """Bring one thing up to date, if the mapper does not know it as it is."""
        try:
            message = self._letters.write(self._protocol, key)
        except Rejected:
            return  # told by the letters
        known = route.told.get(key)
        like = None if message is None else likeness(message)
        if like == known and (message is not None or route.fresh):
            await asyncio.sleep(0)  # thousands may be as they were: others get their turn
            return
        generation = route.generation
        refusal = await self._tell(channel, key, message, is_known=known is not None or not route.fresh)
        if generation != route.generation:
            return
        if refusal:
            route.refused[key] = refusal
            if self._refusals.get(key) != refusal:
                self._note(key.id, f"mapper {route.spec.name} refuses this {key.kind}: {refusal}")
            self._refusals[key] = refusal
            return
        self._refusals.pop(key, None)
        if like is None:
            route.told.pop(key, None)
        else:
            route.told[key] = like

    async def _tell(self, channel: Any, key: Key, message: Any, *, is_known: bool) -> str:
        """Make the call that fits; why the mapper refused it, empty when it did not."""
        if message is None:
            code, reason = await self._call(channel, *_removal(key))
            return "" if code in {None, Code.NOT_FOUND} else reason
        code, reason = await self._call(channel, *_news(key.kind, message, is_known=is_known))
        if code in (NOT_KNOWN if is_known else {Code.ALREADY_EXISTS}):
            code, reason = await self._call(channel, *_news(key.kind, message, is_known=not is_known))
        return reason

    async def _call(self, channel: Any, method: str, request: Any) -> tuple[grpc.StatusCode | None, str]:
        """`None` when the mapper took it, or does not know such calls; else its code and reason."""
        self._counts.calls += 1
        call = channel.unary_unary(f"/{SERVICE}/{method}", request_serializer=type(request).SerializeToString)
        try:
            await call(request, timeout=self._config.call_timeout)
        except grpc.aio.AioRpcError as error:
            code, reason = error.code(), " ".join((error.details() or error.code().name).split())
            self._counts.calls_failed += 1
            if code in AWAY:
                raise Unavailable(f"{method}: {reason[:200]}") from None
            if code is Code.UNIMPLEMENTED:
                return None, ""
            return code, reason[:500]
        return None, ""

    def _serves(self, key: Key) -> bool:
        return self._book.serves(self._protocol, key)

    def _lost(self, route: Route, reason: str) -> None:
        if not route.trouble:
            logger.warning("mapper %s (%s) does not answer: %s", route.spec.name, self._protocol, reason)
        route.trouble = reason

    def _reached(self, route: Route) -> None:
        if route.trouble:
            logger.info("mapper %s (%s) answers again", route.spec.name, self._protocol)
        route.trouble = ""


def _news(kind: str, message: Any, *, is_known: bool) -> tuple[str, Any]:
    if kind == "model":
        if is_known:
            return "UpdateDeviceModel", pb.UpdateDeviceModelRequest(model=message)
        return "CreateDeviceModel", pb.CreateDeviceModelRequest(model=message)
    if is_known:
        return "UpdateDevice", pb.UpdateDeviceRequest(device=message)
    return "RegisterDevice", pb.RegisterDeviceRequest(device=message)


def _removal(key: Key) -> tuple[str, Any]:
    namespace, _, name = key.id.partition("/")
    if key.kind == "model":
        return "RemoveDeviceModel", pb.RemoveDeviceModelRequest(modelName=name, modelNamespace=namespace)
    return "RemoveDevice", pb.RemoveDeviceRequest(deviceName=name, deviceNamespace=namespace)


async def _probe(address: str) -> None:
    """Raise `Unavailable` when nobody listens there."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_unix_connection(address), 5.0)
    except (OSError, TimeoutError) as error:
        raise Unavailable(f"nobody listens on {address}: {getattr(error, 'strerror', None) or error}") from None
    writer.close()


async def _either(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event, or until the time is over; whether it came."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
