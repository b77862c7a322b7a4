"""Two paces: that of a recording, which is played in real time, and that of the model, which sees fewer pictures."""

from __future__ import annotations

from collections.abc import Callable

LATE = 1.0
AHEAD = 5.0
"""Seconds. Later or further ahead than this, the time stamps have jumped (or we were suspended): start from now."""


class Playback:
    """Real time for recordings. Moments are anchored to the clock, not to each other: nothing drifts over loops."""

    def __init__(self, monotonic: Callable[[], float], wait: Callable[[float], object], interval: float = 0.04) -> None:
        self._monotonic = monotonic
        self._wait = wait
        self._interval = interval
        self._origin: float | None = None
        self._resume: float | None = None
        self._last = -interval

    def turn(self, interval: float) -> None:
        """A new pass begins: its first picture is due one interval (s) after the last one of the pass before."""
        if self._origin is not None:
            self._resume = self._origin + self._last + self._interval
        self._origin = None
        self._interval = interval
        self._last = -interval

    def await_moment(self, moment: float | None) -> None:
        """Wait until the picture of this moment (s in the recording; `None`: one interval later) is due."""
        moment = self._last + self._interval if moment is None else moment
        now = self._monotonic()
        if self._origin is None:
            self._origin = (now if self._resume is None else self._resume) - moment
        early = self._origin + moment - now
        if early < -LATE or early > AHEAD:
            self._origin, early = now - moment, 0.0
        # Undecoded packets come in decoding order: the last moment is the highest of a pass.
        self._last = max(self._last, moment) if abs(moment - self._last) < AHEAD else moment
        if early > 0:
            self._wait(early)


class Cap:
    """At most `fps` pictures a second, evenly: a source of exactly that rate loses none to jitter."""

    def __init__(self, fps: float) -> None:
        self.period = 1.0 / fps
        self._due: float | None = None

    def due(self, now: float) -> bool:
        """Whether the picture that came now (monotonic s) is wanted; if so the next is due a period later."""
        if self._due is not None and now < self._due - self.period / 4:
            return False
        late = self._due is None or now > self._due + self.period
        self._due = (now if self._due is None or late else self._due) + self.period
        return True
