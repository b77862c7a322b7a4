"""What a phone did, for people and for the gateway."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from simulator.wire import offload_pb2 as pb


@dataclass
class PhoneReport:
    """What a phone did: captured = sent + skipped; sent = answered + lost. Latencies are microseconds."""

    captured: int = 0
    skipped: int = 0
    sent: int = 0
    lost: int = 0
    connects: int = 0
    resumed: int = 0
    bytes: int = 0
    refused: str = ""
    statuses: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    rtt_us: deque[int] = field(default_factory=lambda: deque(maxlen=10_000))
    network_us: deque[int] = field(default_factory=lambda: deque(maxlen=10_000))

    @property
    def answered(self) -> int:
        return self.statuses.total()

    def hear(self, status: str, label: str, rtt_us: int, server_us: int) -> None:
        """Count a result. `rtt_us` is 0 where it was made for a lost frame, which has no stamp."""
        self.statuses[status] += 1
        if label:
            self.labels[label] += 1
        if rtt_us:
            self.rtt_us.append(rtt_us)
            self.network_us.append(max(0, rtt_us - server_us))

    def stats(self) -> pb.ClientStats:
        """What the phone measured of its last 200 results; there is one at least."""
        rtt, network = sorted([*self.rtt_us][-200:]), sorted([*self.network_us][-200:])
        middle, high = len(rtt) // 2, int(len(rtt) * 0.95)
        return pb.ClientStats(
            rtt_p50_us=rtt[middle],
            rtt_p95_us=rtt[high],
            network_p50_us=network[middle],
            network_p95_us=network[high],
            skipped=self.skipped,
        )
