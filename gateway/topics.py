"""Topics of KubeEdge's rule router: what goes up, and what is closed to its rules. Pure."""

from __future__ import annotations

from collections.abc import Collection

from devices.sparkplug.topic import PREFIX

UPLOAD = "$hw/events/upload/"
RECORDS = "SYS/dis/upload_records"
FIXED = frozenset((f"{UPLOAD}#", RECORDS, "+/user/#"))
"""What KubeEdge's edge sends up though no rule asks for it."""
OURS = ("$", "gemelo/", PREFIX)
"""Beginnings of topics that are no rule's: those of devices, of the gateway and of the broker."""
LENGTH = 1024
"""Characters of a topic at most."""


def goes_up(topic: str, wanted: Collection[str]) -> bool:
    """Whether the cloud must have what is published there, when rules of it want those heard."""
    if topic.startswith(UPLOAD):
        return True
    if topic.startswith(OURS):
        return False
    return topic == RECORDS or topic in wanted or topic.split("/", 2)[1:2] == ["user"]


def fault_of(topic: str) -> str:
    """Why a rule may neither hear this topic nor publish there; empty when it may."""
    if not topic or len(topic) > LENGTH or not topic.isprintable() or "+" in topic or "#" in topic:
        return f"that is no topic of 1 to {LENGTH} printable characters without + and #"
    if topic.startswith(OURS):
        return "topics of devices, of the gateway and of the broker are closed to rules"
    return ""
