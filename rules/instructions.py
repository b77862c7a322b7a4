"""What the rules want done: typed instructions, carried out by the gateway with the batch they belong to."""

from __future__ import annotations

from msgspec import Struct

from rules.explain import Evaluation
from twins.exchange import Event


class Instruction(Struct, frozen=True):
    """Root of all instructions of the rules."""


class Command(Instruction, frozen=True, tag=True):
    """Ask desired values of a device. `rule` is the instance that asks, `namespace/detector/instance`."""

    device: str
    values: dict[str, str]
    cause: str
    rule: str


class Keep(Instruction, frozen=True, tag=True):
    """Write an instance's state with this batch. `key` is `namespace/detector/instance`."""

    key: str
    body: bytes


class Drop(Instruction, frozen=True, tag=True):
    """Delete an instance's state with this batch."""

    key: str


class Wake(Instruction, frozen=True, tag=True):
    """Call `Rules.expire(timer, …)` at `due` (microseconds UTC), also after a restart; `None` takes the timer back.

    `timer` is the instance's key, `#` and the timer's name. `body` is the cause that set the timer, in UTF-8: give it
    to `expire`, so that what the timer decides is traced to the input that began it. `due` is in steady time, which no
    jump of the wall clock touches, or for a schedule (`rules.schedule.AT`) in wall time. One that `pauses` does not
    go on while the gateway is down.
    """

    timer: str
    due: int | None
    body: bytes = b""
    pauses: bool = False


class Raise(Instruction, frozen=True, tag=True):
    """Tell people. `event.detail["picture"]` names the device whose picture belongs to it."""

    event: Event


class Decided(Instruction, frozen=True, tag=True):
    """An event or transition called `name` was chosen for one instance; `before` and `after` are equal for an event."""

    rule: str
    key: str
    name: str
    before: str
    after: str
    cause: str


class Explained(Instruction, frozen=True, tag=True):
    """An evaluation decided something: to be kept with this batch. It comes before what it decided."""

    evaluation: Evaluation
