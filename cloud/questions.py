"""Questions to the cloud over one link. Answers find theirs by id."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable

from cloud.messages import Answered
from cloud.patience import Patience, Silent
from runtime.clock import Clock
from twins.errors import Unavailable

Frame = Callable[[str], bytes]
"""Encodes a question that has this id."""


class Questions:
    """Sent by `send`, which raises `Unavailable` when the link breaks; answers come within `usual` seconds, mostly."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]], clock: Clock, usual: float) -> None:
        self._send = send
        self._clock = clock
        self._usual = usual
        self._patience = Patience(usual)
        self._waiting: dict[str, asyncio.Future[Answered | None]] = {}
        self._ended = ""

    async def ask(self, frame: Frame, what: str) -> Answered:
        """The answer. Raises `Silent` when it does not come in the usual time, `Unavailable` when the link breaks."""
        said, _ = await self._answered(frame, what, self._usual, 0.0)
        return said

    async def insist(self, frame: Frame, what: str) -> Answered:
        """As `ask`, but for as long as the cloud has lately taken: one that is behind answers late.

        While it answers nothing at all, a question that waits alone is sent again now and then, and the answer to any
        of these counts: so a cloud that is well again is found out soon.
        """
        heard = self._patience.heard
        with self._patience.deadline() as (within, again):
            try:
                said, took = await self._answered(frame, what, within, again)
            except Silent:
                self._patience.silent(within, heard)
                raise
        self._patience.answered(took)
        return said

    def answered(self, said: Answered) -> None:
        """It came; what nobody waits for is nothing."""
        answer = self._waiting.get(said.parent)
        if answer is not None and not answer.done():
            answer.set_result(said)

    def end(self, reason: str) -> None:
        """The link is over: nobody will answer any more."""
        self._ended = reason
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_result(None)

    async def _say(self, frame: Frame, asked: dict[str, float], answer: asyncio.Future[Answered | None]) -> float:
        """Send it under a new id; when it was sent."""
        id_ = str(uuid.uuid4())
        asked[id_] = self._clock.monotonic()
        self._waiting[id_] = answer
        await self._send(frame(id_))
        asked[id_] = self._clock.monotonic()
        return asked[id_]

    async def _answered(self, frame: Frame, what: str, within: float, again: float) -> tuple[Answered, float]:
        """The answer, and how long after its question it came."""
        answer: asyncio.Future[Answered | None] = asyncio.get_running_loop().create_future()
        asked: dict[str, float] = {}
        try:
            began = last = await self._say(frame, asked, answer)
            while not answer.done() and (left := within - (self._clock.monotonic() - began)) > 0:
                if again and self._clock.monotonic() - last >= again:
                    last = await self._say(frame, asked, answer)
                await asyncio.wait({answer}, timeout=min(left, self._usual))
                within = min(
                    within, max(self._usual, self._patience.seconds)
                )  # others learned meanwhile that it is well
        finally:
            for id_ in asked:
                self._waiting.pop(id_, None)
        if not answer.done():
            raise Silent(f"the cloud did not answer {what} within {within:g} s")
        said = answer.result()
        if said is None:
            raise Unavailable(self._ended)
        return said, self._clock.monotonic() - asked[said.parent]
