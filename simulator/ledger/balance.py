"""The balance: claims against evidence. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field

from simulator.ledger.claims import Claims, Frames, Key


@dataclass
class Balance:
    """Counts of messages (a message may hold several values), and of frames. `examples` names the first faults.

    `lost`: kept by its sender's knowledge, and not there. `doubled`: there more than once. `unconfirmed`: nobody ever
    said it was kept (no answer, or a killed broker had it): there or not, nothing is claimed. `wrong`: there with
    another value. `strange`: there and never sent.
    """

    offered: int = 0
    accepted: int = 0
    rejected: int = 0
    stored: int = 0
    decided: int = 0
    obeyed: int = 0
    sent_to_cloud: int = 0
    confirmed_by_cloud: int = 0
    unconfirmed: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    strange: int = 0
    cloud_lacks: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """True when nothing is lost, doubled, wrong or missing in the cloud."""
        return not (self.lost or self.doubled or self.wrong or self.strange or self.cloud_lacks)

    def as_json(self) -> dict[str, object]:
        return asdict(self) | {"sound": self.sound}

    def note(self, text: str) -> None:
        if len(self.examples) < 20:
            self.examples.append(text)


def weigh_points(
    balance: Balance, claims: Claims, count: Counter[Key], value: dict[Key, str | float], *, broker_killed: bool
) -> None:
    """Hold a fleet's messages against the points. `broker_killed`: telemetry that a killed broker had may be gone."""
    balance.offered += len(claims.messages)
    balance.accepted += claims.count("accepted") + claims.count("handed")
    balance.rejected += claims.count("rejected")
    balance.obeyed += claims.obeyed
    known: set[Key] = set()
    for event, message in claims.messages.items():
        keys = [(message.device, name, message.at) for name in message.values]
        known.update(keys)
        there = [count[key] for key in keys]
        if message.fate == "rejected":
            continue
        if all(there):
            balance.stored += 1
        elif message.fate == "accepted" or (message.fate == "handed" and not broker_killed):
            balance.lost += 1
            balance.note(f"lost: {event} of {message.device} ({message.fate})")
        else:
            balance.unconfirmed += 1
        if any(n > 1 for n in there):
            balance.doubled += 1
            balance.note(f"doubled: {event} of {message.device}")
        for key, said in zip(keys, message.values.values(), strict=True):
            if count[key] and not same(said, value[key]):
                balance.wrong += 1
                balance.note(f"wrong: {event} said {key[1]} = {said}, stored {value[key]}")
    devices = {message.device for message in claims.messages.values()}
    for key in count:
        if key not in known and key[0] in devices and key[1] != "state":
            balance.strange += 1
            balance.note(f"strange: {key}")


def weigh_frames(balance: Balance, frames: Frames, results: Counter[int]) -> None:
    """Hold a phone's frames against the results: each frame told `OK` or `NO_FACE` has exactly one."""
    kept = {"OK", "NO_FACE"}
    balance.offered += len(frames.status)
    balance.accepted += frames.count(*kept)
    balance.rejected += sum(1 for s in frames.status.values() if s not in kept and s != "sent")
    for seq, status in frames.status.items():
        there = results[seq]
        if status in kept:
            balance.stored += there > 0
            balance.lost += there == 0
            if not there:
                balance.note(f"lost: frame {seq} of {frames.device} was told {status}")
        elif status == "sent":
            balance.unconfirmed += 1
        if there > 1:
            balance.doubled += 1
            balance.note(f"doubled: frame {seq} of {frames.device}")


def weigh_cloud(balance: Balance, claims: Claims, statuses: dict[tuple[str, str], str]) -> None:
    """The cloud must have the last value of every property that its device was told is kept."""
    for (device, name), value in claims.last_accepted().items():
        if not same(value, statuses.get((device, name), "")):
            balance.cloud_lacks += 1
            balance.note(f"the cloud has {statuses.get((device, name))!r} for {device} {name}, and not {value!r}")


def same(said: str, stored: str | float) -> bool:
    """A value as it was said and as it came back: numbers compare as numbers, booleans are 1 and 0."""
    if isinstance(stored, str):
        return said == stored
    if said in {"true", "false"}:
        return float(stored) == float(said == "true")
    try:
        return float(said) == float(stored)
    except ValueError:
        return False
