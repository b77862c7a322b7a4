"""The balance: claims against evidence. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field

from simulator.ledger.claims import Claims, Frames, Key, Stored


@dataclass
class Balance:
    """Counts of messages (a message may hold several values), and of frames. `examples` names the first faults.

    offered = accepted + rejected + unconfirmed, exactly. `lost`: kept by its sender's knowledge, and not there.
    `doubled`: there more than once. `unconfirmed`: nobody ever said it was kept (no answer), or a killed broker had it
    and it is not there: nothing is claimed. `wrong`: there with another value. `strange`: there and never sent, or
    there although it was refused.
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
    balance: Balance, claims: Claims, count: Counter[Key], value: dict[Key, Stored], *, broker_killed: bool
) -> None:
    """Hold a fleet's messages against the points. `broker_killed`: telemetry that a killed broker had may be gone."""
    balance.offered += len(claims.messages)
    balance.obeyed += claims.obeyed
    known: set[Key] = set()
    for event, message in claims.messages.items():
        keys = [(message.device, name, message.at) for name in message.values]
        known.update(keys)
        there = [count[key] for key in keys]
        if message.fate == "rejected":
            balance.rejected += 1
            if any(there):
                balance.strange += 1
                balance.note(f"strange: {event} of {message.device} was refused and is there")
            continue
        whole = all(there)
        balance.stored += whole
        if message.fate == "unanswered" or (message.fate == "handed" and broker_killed and not whole):
            balance.unconfirmed += 1
        else:
            balance.accepted += 1
            if not whole:
                balance.lost += 1
                balance.note(f"lost: {event} of {message.device} ({message.fate})")
        if any(n > 1 for n in there):
            balance.doubled += 1
            balance.note(f"doubled: {event} of {message.device}")
        for key, said in zip(keys, message.values.values(), strict=True):
            if count[key] and not same(said, value[key]):
                balance.wrong += 1
                balance.note(f"wrong: {event} said {key[1]} = {said}, stored {value[key]}")
    devices = {message.device for message in claims.messages.values()}
    for key in count:
        if key not in known and key[0] in devices and key[1] != "$state":
            balance.strange += 1
            balance.note(f"strange: {key}")


def weigh_frames(balance: Balance, frames: Frames, results: Counter[int]) -> None:
    """Hold a phone's frames against the results: each frame told `OK` or `NO_FACE` has exactly one."""
    balance.offered += len(frames.status)
    for seq, status in frames.status.items():
        there = results[seq]
        balance.stored += there > 0
        if status == "sent":
            balance.unconfirmed += 1
        elif status in {"OK", "NO_FACE"}:
            balance.accepted += 1
            if not there:
                balance.lost += 1
                balance.note(f"lost: frame {seq} of {frames.device} was told {status}")
        else:
            balance.rejected += 1
        if there > 1:
            balance.doubled += 1
            balance.note(f"doubled: frame {seq} of {frames.device}")
    for seq in results.keys() - frames.status.keys():
        balance.strange += 1
        balance.note(f"strange: frame {seq} of {frames.device}")


def weigh_cloud(balance: Balance, claims: Claims, statuses: dict[tuple[str, str], str]) -> None:
    """The cloud must have the last value of every property that its device was told is kept, or an unanswered later."""
    for (device, name), values in claims.last_accepted().items():
        there = statuses.get((device, name), "")
        if not any(same(value, there) for value in values):
            balance.cloud_lacks += 1
            balance.note(f"the cloud has {there!r} for {device} {name}, and not {values[0]!r}")


def same(said: str, stored: Stored) -> bool:
    """A value as it was said and as it came back: numbers compare as numbers, booleans are 1 and 0."""
    if stored is None:
        return False
    if isinstance(stored, str):
        return said == stored
    if said in {"true", "false"}:
        return float(stored) == float(said == "true")
    try:
        return float(said) == float(stored)
    except ValueError:
        return False
