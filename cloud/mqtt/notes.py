"""Events and decisions of rules, as CloudEvents that are kept until the cloud has them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct, structs

from cloud.mqtt.events import encode
from cloud.mqtt.topics import Topics
from twins.exchange import Event


class Note(Struct, frozen=True):
    """What goes up, byte for byte each time it does. `id` is the CloudEvent's, so that a receiver knows a repeat."""

    id: str
    topic: str
    payload: bytes
    cause: str


def notes(
    topics: Topics, events: Sequence[Event], decisions: Sequence[Struct], now: int, next_id: Callable[[], str]
) -> list[Note]:
    """In this order. An event has its own id; of equal decisions each is an event, so each gets an id of its own."""
    source = f"/{topics.root}"
    told = []
    for event in events:
        said = structs.asdict(event)
        payload = encode("event", source, said, event.at, subject=event.object, id_=event.id, cause=event.cause)
        told.append(Note(event.id, topics.events, payload, event.cause))
    for decision in decisions:
        said, id_ = structs.asdict(decision), next_id()
        cause = str(said.get("cause", ""))
        told.append(Note(id_, topics.decisions, encode("decision", source, said, now, id_=id_, cause=cause), cause))
    return told
