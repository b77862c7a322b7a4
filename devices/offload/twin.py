"""What the twin of a phone is made of: its properties, and what frames and statistics say about them."""

from __future__ import annotations

from collections.abc import Sequence

from devices.offload.wire import offload_pb2 as pb
from twins.liveness import ATTENDED
from twins.stimuli import Edit, Joined
from twins.values import Declared

PROPERTIES: dict[str, Declared] = {
    "enabled": Declared(kind="boolean"),
    "fps_cap": Declared(kind="float", minimum=0.1, maximum=60, unit="fps"),
    "model": Declared(),
    "jpeg_quality": Declared(kind="int", minimum=1, maximum=100),
    "deadline_ms": Declared(kind="int", minimum=0, unit="ms"),
    "emotion": Declared(writable=False),
    "emotion.score": Declared(kind="float", writable=False),
    "face.count": Declared(kind="int", writable=False),
    "latency.server_ms": Declared(kind="float", writable=False, unit="ms"),
    "source": Declared(writable=False),
    "rtt.p50_ms": Declared(kind="float", writable=False, unit="ms"),
    "rtt.p95_ms": Declared(kind="float", writable=False, unit="ms"),
    "network.p50_ms": Declared(kind="float", writable=False, unit="ms"),
    "network.p95_ms": Declared(kind="float", writable=False, unit="ms"),
    "frames.skipped": Declared(kind="int", writable=False),
    "frames.local": Declared(kind="int", writable=False),
    "battery": Declared(kind="float", writable=False, unit="%"),
    "thermal": Declared(writable=False),
    "link": Declared(writable=False),
    "metered": Declared(kind="boolean", writable=False),
}

MILLISECONDS = {
    "rtt_p50_us": "rtt.p50_ms",
    "rtt_p95_us": "rtt.p95_ms",
    "network_p50_us": "network.p50_ms",
    "network_p95_us": "network.p95_ms",
}
COUNTS = {"skipped": "frames.skipped", "local": "frames.local"}
TEXTS = {"thermal": "thermal", "link": "link"}

TEXT_LIMIT = 200
"""Characters of a text that a phone may put into its twin."""


def joined(device: str, cause: str, seen: int, description: str) -> Joined:
    """A phone becomes a member, or says more of itself."""
    description = f"phone {description}".strip()[:TEXT_LIMIT]
    return Joined(device, cause, seen, properties=PROPERTIES, description=description, model="phone", rhythm=ATTENDED)


def values_of(faces: Sequence[pb.Face], server_seconds: float) -> dict[str, str]:
    """What one frame says: the surest face's label; a frame without a face leaves the last label."""
    values = {"face.count": str(len(faces)), "latency.server_ms": f"{server_seconds * 1000:.1f}"}
    if faces:
        face = max(faces, key=lambda face: face.found)
        values |= {"emotion": face.label, "emotion.score": f"{face.score:.3f}"}
    return values


def edits_of(stats: pb.ClientStats) -> dict[str, Edit | None]:
    """What the phone measured and feels, as reported values."""
    values = {
        name: f"{getattr(stats, field) / 1000:.1f}" for field, name in MILLISECONDS.items() if stats.HasField(field)
    }
    values |= {name: str(getattr(stats, field)) for field, name in COUNTS.items() if stats.HasField(field)}
    values |= {name: getattr(stats, field)[:TEXT_LIMIT] for field, name in TEXTS.items() if stats.HasField(field)}
    if stats.HasField("battery"):
        values["battery"] = f"{stats.battery:.0f}"
    if stats.HasField("metered"):
        values["metered"] = "true" if stats.metered else "false"
    return {name: Edit(reported=value) for name, value in values.items()}


def acknowledged(ack: pb.ControlAck) -> dict[str, Edit | None]:
    """What the phone says it does now; only properties that can be asked of it."""
    writable = {name for name, declared in PROPERTIES.items() if declared.writable}
    return {name: Edit(reported=value[:TEXT_LIMIT]) for name, value in ack.reported.items() if name in writable}
