"""Who knows everything: what devices sent and were answered, what the cloud asked, and what became of both.

The gateway's own counters are not asked. What it holds is read over HTTP and SQL, what the cloud holds from the cloud
itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

Devices = dict[str, dict[str, dict[str, Any]]]
"""As the gateway shows them: device -> property -> what is known of it."""
Stored = Iterable[tuple[str, dict[str, str]]]
"""What came up, in order: a device, and its values by name."""


class Ledger:
    """Numbers that rise: each device says 1, 2, 3, … of `n`, the cloud asks 1, 2, 3, … of `target`."""

    def __init__(self) -> None:
        self.sent: dict[str, int] = defaultdict(int)
        self.answered: dict[str, int] = defaultdict(int)
        self.asked: dict[str, int] = {}
        self.heard: dict[str, list[int]] = defaultdict(list)
        """Deltas, in the order in which the device heard them."""
        self._versions: dict[tuple[str, str, str, int], int] = {}

    def look(self, devices: Devices) -> None:
        """What the gateway shows now: nothing answered may be missing, and no version may be older than before."""
        for device, count in self.answered.items():
            shown = int(devices.get(device, {}).get("n", {}).get("reported") or 0)
            assert shown >= count, f"{device}: {count} was answered, {shown} is there"
        for device, properties in devices.items():
            for name, one in properties.items():
                for side in ("reported_version", "desired_version"):
                    for place, version in enumerate(one[side]):
                        key = device, name, side, place
                        assert version >= self._versions.get(key, 0), f"{key} went back to {version}"
                        self._versions[key] = version

    def equal(self, devices: Devices, statuses: Mapping[str, Mapping[str, str]], wishes: Mapping[str, int]) -> str:
        """Why the two sides are not equal yet; empty when they are. `wishes` are the cloud's devices."""
        if devices.keys() != wishes.keys():
            return f"devices: the gateway has {sorted(devices)}, the cloud {sorted(wishes)}"
        for device, properties in devices.items():
            reported = {name: one["reported"] for name, one in properties.items() if one["reported"] is not None}
            if statuses.get(device, {}) != reported:
                return f"{device}: reported {reported}, the cloud has {statuses.get(device)}"
            desired = int(properties["target"]["desired"] or 0)
            if desired != wishes[device]:
                return f"{device}: desired {desired}, the cloud wants {wishes[device]}"
            if wishes[device] and reported.get("target") != str(wishes[device]):
                return f"{device} has not done what is asked: {wishes[device]}, it did {reported.get('target')}"
        return ""

    def check(self, devices: Devices, points: dict[str, list[float]], record: Stored) -> None:
        """At the end, when all is answered. `points`: count, distinct, least and greatest of each device's `n`."""
        assert self.answered == self.sent, "unanswered, or answered twice"
        assert points == {device: [n, n, 1.0, float(n)] for device, n in self.sent.items()}, "missing or doubled"
        for device, count in self.sent.items():
            assert devices[device]["n"]["edge_version"] == count, f"{device}: a change counted twice, or not"
        for device, values in self.heard.items():
            assert all(a <= b for a, b in pairwise(values)), f"{device} heard {values}"
            assert values[-1] == self.asked[device], f"{device} did not hear the last"
        self._check_stored(record)

    def _check_stored(self, record: Stored) -> None:
        """What came to the cloud: per device in order."""
        stored: dict[tuple[str, str], int] = {}
        for device, values in record:
            for name, value in values.items():
                if name in ("n", "target"):
                    place = device, name
                    assert int(value) >= stored.get(place, 0), f"{place}: {value} after {stored[place]}"
                    stored[place] = int(value)
        reported = {device: number for (device, name), number in stored.items() if name == "n"}
        assert reported == dict(self.sent), "the cloud's last values"
