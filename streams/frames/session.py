"""Sessions: points with less than a gap of silence between them; a late point may join two of them."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from streams.frames.making import Making
from streams.lane import NEVER, Lane, Told
from twins.tally import Tally


class Session(Struct, array_like=True):
    """From its first to its last point. `told` says that a result of it, or of a part of it, was told; `open` that
    one is to be."""

    first: int
    last: int
    tally: Tally
    told: bool = False
    open: bool = True


class Sessions:
    """A session ends a gap after its last point. The time of its result is that of its first point."""

    def __init__(self, gap: int, late: int, making: Making) -> None:
        self._gap = gap
        self._late = late
        self._making = making
        self.read = msgspec.msgpack.Decoder(Session).decode

    def earliest(self, at: int) -> int:
        return at + self._gap

    def add(self, lane: Lane, name: str, at: int, seq: int, value: float) -> list[Told] | None:
        gap, over = self._gap, lane.mark - self._gap - self._late
        joined: list[Session] = [
            s for s in lane.parts.values() if s.first - gap < at < s.last + gap and (s.open or s.last > over)
        ]
        if not joined and at + gap + self._late <= lane.mark:
            return None
        if len(joined) == 1 and joined[0].first <= at:
            session = joined[0]
            session.tally.add(at, seq, value)
            session.last = max(session.last, at)
            session.open = True
        else:
            session = self._united(lane, joined, at, seq, value)
        lane.touch(session.first)
        if session.last + gap > lane.mark:
            lane.expect(session.last + gap)
            return []
        return [self._told(session, corrected=True)]

    def close(self, lane: Lane) -> list[Told]:
        ended = [s for s in lane.parts.values() if s.open and s.last + self._gap <= lane.mark]
        told = []
        for session in sorted(ended, key=lambda s: s.first):
            told.append(self._told(session, corrected=session.told))
            lane.touch(session.first)
        for first in [s.first for s in lane.parts.values() if s.last + self._gap + self._late <= lane.mark]:
            lane.drop(first)
        lane.settle(self.upcoming(lane))
        return told

    def upcoming(self, lane: Lane) -> int:
        return min((s.last + self._gap for s in lane.parts.values() if s.open), default=NEVER)

    def _united(self, lane: Lane, joined: list[Session], at: int, seq: int, value: float) -> Session:
        own = self._making.empty()
        own.add(at, seq, value)
        tally = self._making.merged([own, *(s.tally for s in joined)])
        for each in joined:
            lane.drop(each.first)
        first, last = min([at, *(s.first for s in joined)]), max([at, *(s.last for s in joined)])
        session = lane.parts[first] = Session(first, last, tally, any(s.told for s in joined))
        return session

    def _told(self, session: Session, *, corrected: bool) -> Told:
        session.told, session.open = True, False
        return Told(session.first, session.first, self._making.values(session.tally), corrected)
