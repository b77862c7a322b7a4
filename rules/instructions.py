"""What the rules want done: typed instructions, carried out by the gateway with the batch they belong to."""

from __future__ import annotations

from msgspec import Struct

from rules.explain import Evaluation
from rules.manifest.form import Scalar
from rules.tasks import Task
from twins.exchange import Event


class Instruction(Struct, frozen=True):
    """Root of all instructions of the rules."""


class Command(Instruction, frozen=True, tag=True):
    """Ask desired values of a device. `rule` is the instance that asks, `namespace/detector/instance`.

    `id` names the action. With `within`, microseconds, the device is to report them in that time: else call
    `Rules.fail` with `label`.
    """

    device: str
    values: dict[str, str]
    cause: str
    rule: str
    id: str = ""
    within: int = 0
    label: str = ""


class Act(Instruction, frozen=True, tag=True):
    """Do this outside after the commit: once, or again under the same `id`. `rule` is the instance, as in `Command`."""

    id: str
    rule: str
    cause: str
    at: int
    task: Task


class Write(Instruction, frozen=True, tag=True):
    """A point of the rule's own; other rules see it."""

    id: str
    rule: str
    cause: str
    device: str
    property: str
    value: Scalar


class Signal(Instruction, frozen=True, tag=True):
    """Feed an input of a rule in this same turn: call `Rules.signal`."""

    id: str
    rule: str
    cause: str
    detector: str
    key: str
    input: str
    value: Scalar


class Held(Instruction, frozen=True, tag=True):
    """An action was held back by its limit; `what` says which."""

    rule: str
    cause: str
    what: str


class Rehearsed(Instruction, frozen=True, tag=True):
    """What a dry run would have done."""

    rule: str
    cause: str
    instruction: Command | Act | Write | Signal | Raise


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
