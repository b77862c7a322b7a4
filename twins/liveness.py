"""Whether a device lives: when it was heard last, how often it speaks, and what its silence means. Pure.

A device is `online` while its silence is shorter than some of its intervals, then `unknown`, then `offline`. Who says
`offline` is offline at once, and online again with the next message. The interval is what an annotation declares, else
what was learned, else the shortest cycle of the manifest, else what the configuration assumes.

What is learned is the longest usual time between two messages, in one number. A longer gap raises it half the way, and
counts four times the estimate at most: one outage teaches little. A shorter gap lowers it by an eighth of the
difference, in the measure of the time it took: whatever comes, the estimate falls by an eighth of the time that passed
at most. So a burst of a thousand messages in a second takes 0.125 s off it. A regular device gets its period; one that
speaks at random, 2.5 times its mean.

Times are microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

from twins.errors import Rejected

Presence = Literal["", "online", "unknown", "offline"]
"""What is concluded; empty of a device that was never heard."""

INTERVAL = "gemelo.dev/interval"
"""Annotation of a Device: seconds between two messages, or `never` for one that need not speak."""
SHORTEST = 2_000_000
"""No interval is taken to be shorter."""
ENOUGH = 8
"""Intervals over which a device must have been heard for the one learned to count."""
UNHEARD = "never heard"
_PRESENCES: Mapping[str, Presence] = {"offline": "offline", "unknown": "unknown"}
_RANK: Mapping[Presence, int] = {"": 0, "online": 0, "unknown": 1, "offline": 2}


class Rhythm(Struct, frozen=True, gc=False, array_like=True):
    """What a manifest says of how often its device speaks; 0 is nothing.

    `interval` holds as it is, and `NEVER` tells that silence means nothing: whoever talks to the device says when it
    comes and goes. `cycle` is KubeEdge's, the shortest one: no interval learned is taken to be shorter.
    """

    interval: int = 0
    cycle: int = 0


NEVER = -1
ATTENDED = Rhythm(NEVER)
"""Of cameras and phones: their doors say how they are."""


class Limits(Struct, frozen=True):
    """`interval` seconds are assumed of a device that declares none; the others count intervals of silence."""

    interval: float = 30.0
    unknown_after: float = 3.0
    offline_after: float = 10.0


class Life(Struct, array_like=True):
    """What is known of one device, beside when it was last heard. Mutable, a part of its twin.

    `reason` says why it is not online, for people; `said` that this was said of it, not concluded; `door` is by which
    door it came; `usual` is the learned interval, and `span` the time it was learned from.
    """

    presence: Presence = ""
    reason: str = ""
    said: bool = False
    door: str = ""
    usual: int = SHORTEST
    span: int = 0
    rhythm: Rhythm = Rhythm()

    @property
    def watched(self) -> bool:
        """True while its silence can mean something. What is said of a device holds until it is heard."""
        return self.presence in ("online", "unknown") and not self.said

    def learn(self, gap: int) -> None:
        """Take the time between two messages into account."""
        usual = self.usual
        if gap >= usual:
            gap = min(gap, 4 * usual)
            self.usual = usual + (gap - usual) // 2
        elif gap <= 0:  # the clock was set
            return
        elif usual > SHORTEST:
            self.usual = max(SHORTEST, usual - (usual - gap) * gap // (8 * usual))
        self.span += gap

    def interval(self, assumed: float) -> tuple[int, str]:
        """How often it is expected to speak, and how that is known, in words."""
        interval, cycle = self.rhythm.interval, self.rhythm.cycle
        if interval > 0:
            return max(interval, SHORTEST), "it should speak"
        if attended(self):
            return round(assumed * 1e6), "it speaks when it likes"
        if self.span >= ENOUGH * self.usual:
            return max(self.usual, cycle), "it usually speaks"
        return max(self.usual, cycle or round(assumed * 1e6)), "it should speak" if cycle else "it is assumed to speak"


class Verdict(Struct, frozen=True):
    """What silence means now; `due` is when to look again, if nothing comes: always later than now."""

    presence: Presence
    reason: str
    due: int


def judge(life: Life, seen: int, now: int, since: int, limits: Limits, deaf: str = "") -> Verdict:
    """What to think of a device that was last heard at `seen`.

    We listen without a break since `since`: silence before that is not the device's. `deaf` says why we hear nothing
    of it now, if so: then it is unknown at most.
    """
    heard = seen if since <= seen <= now else since
    quiet = now - heard
    interval, known = life.interval(limits.interval)
    unknown, offline = (round(n * interval) for n in (limits.unknown_after, limits.offline_after))
    if quiet < unknown:
        return Verdict("online", "", heard + unknown)
    if attended(life) and heard == seen:
        return Verdict("online", "", now + offline)
    if deaf:
        return Verdict("unknown", deaf, now + offline)
    reason = f"silent for {words(quiet)}" if heard == seen else f"not heard in the {words(quiet)} since we listen again"
    if attended(life):
        return Verdict("unknown", reason, now + offline)
    reason += f"; {known} every {words(interval)}"
    if quiet < offline:
        return Verdict("unknown", reason, heard + offline)
    return Verdict("offline", reason, now + offline)


def attended(life: Life) -> bool:
    """True of a device whose silence means nothing."""
    return life.rhythm.interval == NEVER


def worse(new: Presence, old: Presence) -> bool:
    """True when silence made `old` into `new`; it makes nothing better."""
    return _RANK[new] > _RANK[old]


def meaning(state: str) -> Presence:
    """What a state that a device gives itself says of its presence: one that is unhealthy is there."""
    return _PRESENCES.get(state.lower(), "online")


def shown(said: str, presence: Presence) -> str:
    """The state to show: what the device said of itself, unless it was heard since or fell silent since."""
    if not presence or said.lower() == presence:
        return said  # as it was written
    if presence == "online" and said.lower() in {"ok", "unhealthy"}:
        return said
    return presence


def rhythm(annotations: Mapping[str, str], cycles: Iterable[int]) -> Rhythm:
    """What a manifest says; `cycles` are milliseconds.

    Raises `Rejected` for an annotation that is neither seconds nor `never`.
    """
    cycle = min((cycle * 1000 for cycle in cycles if cycle > 0), default=0)
    text = annotations.get(INTERVAL, "")
    if text in ("", "never"):
        return Rhythm(NEVER if text else 0, cycle)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        reason = f"metadata.annotations: {INTERVAL}: {text[:40]!r} is neither a number of seconds nor never"
        raise Rejected(reason)
    return Rhythm(round(seconds * 1e6), cycle)


def words(span: int) -> str:
    """Microseconds as people say them: `95 s`, `12 min`, `3 h`."""
    seconds = span / 1e6
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
