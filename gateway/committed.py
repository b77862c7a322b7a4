"""What a commit announces, sorted by who has to hear of it."""

from __future__ import annotations

from msgspec import Struct

from rules.instructions import Instruction as Decision
from twins.exchange import Event, OutboxRow
from twins.instructions import Actuate, Instruction, Status
from twins.stimuli import Applied, Inferred


class Committed(Struct):
    """What one commit announced, by who has to hear of it: handed to every listener after the batch is on disk.

    `said` is for the wire; `orders` for whoever talks to the device. `changed` are the devices whose twin is
    another, with the first cause of that; a twin that is gone has changed too. `statuses` are their states that did.
    `queued` is kept for the cloud from now on, or no more (`None`).
    """

    said: list[Instruction] = []
    orders: list[Actuate] = []
    changed: dict[str, str] = {}
    statuses: list[Status] = []
    decisions: list[Decision] = []
    events: list[Event] = []
    inferred: list[Inferred] = []
    applied: list[Applied] = []
    queued: dict[str, OutboxRow | None] = {}
