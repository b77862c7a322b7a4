"""What comes of one message: how it came, what it means, and the counts of all."""

from __future__ import annotations

from msgspec import Struct

from devices.sparkplug.birth import Birth
from twins.stimuli import Stimulus


class Arrival(Struct, frozen=True):
    """How a message came; `seq` is its digest, `again` says that it may have come before."""

    cause: str
    seen: int
    seq: int = 0
    again: bool = False


class Heard(Struct):
    """What one message means. `ask` says why its node has to be born again; empty where it has not."""

    stimuli: list[Stimulus] = []
    birth: Birth | None = None
    ask: str = ""


class SparkplugCounts(Struct):
    """`births`, `data` and `deaths` were taken, `stale` deaths were of an earlier session; `gaps` in the numbers.

    `unborn` messages came of whom no birth was heard; `unknown` metrics of a message its birth did not name. `asked`
    nodes were asked to be born again, `held` times it was too soon for that; `commands` were sent, `unsent` not.
    """

    births: int = 0
    data: int = 0
    deaths: int = 0
    stale: int = 0
    gaps: int = 0
    unborn: int = 0
    unknown: int = 0
    asked: int = 0
    held: int = 0
    commands: int = 0
    unsent: int = 0
