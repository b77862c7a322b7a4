"""What was learned, as it is kept: versions, the present one and the one before it."""

from __future__ import annotations

from hashlib import blake2b

import msgspec
from msgspec import Struct

from learning.norm import Norm
from learning.prediction import Prediction

BASELINE, FORECAST, TRAIL = "baseline:", "forecast:", "trail:"
"""What the rows begin with: the lesson of a series, that of a forecast, and what an `ewma` follows."""


class Version(Struct, frozen=True):
    """Learned `at` this time from so many `points` between `since` and `until`; times in microseconds UTC."""

    number: int
    at: int
    since: int
    until: int
    points: int
    learned: Norm | Prediction

    @property
    def digest(self) -> str:
        """Of what was learned: the same twice has the same."""
        return blake2b(msgspec.msgpack.encode(self.learned), digest_size=8).hexdigest()


class Lesson(Struct, frozen=True):
    """Of one subject, by the manifest `owner`. `held`: somebody went back, so it is not learned anew by the clock."""

    owner: str
    current: Version
    previous: Version | None = None
    newest: int = 1
    held: bool = False

    def next(self, version: Version) -> Lesson:
        """With a newer version; one that says the same changes only when that was found."""
        if version.learned == self.current.learned:
            current = msgspec.structs.replace(version, number=self.current.number)
            return Lesson(self.owner, current, self.previous, self.newest)
        number = self.newest + 1
        return Lesson(self.owner, msgspec.structs.replace(version, number=number), self.current, number)

    def back(self) -> Lesson | None:
        """With the version before, held; `None` where there is none."""
        return None if self.previous is None else Lesson(self.owner, self.previous, self.current, self.newest, True)

    @property
    def body(self) -> bytes:
        return msgspec.msgpack.encode(self)


read = msgspec.msgpack.Decoder(Lesson).decode
"""Raises `msgspec.MsgspecError`."""
