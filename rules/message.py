"""What webhooks and messages on topics tell rules: JSON taken apart into facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from rules.expression import show
from rules.manifest.input import Input
from twins.instructions import Fact, Source
from twins.path import Path
from twins.stimuli import Heard
from twins.topic import Topic
from twins.values import device_id

Heading = tuple[Source, str]
"""Under what a fact is found: its source and its name."""
LONGEST = 512
"""Characters of a device's id, as a message may give it."""


def heading(given: Input) -> Heading:
    """Under what the facts of an input are found; nothing that a device reports is called as those of others are."""
    if given.webhook is not None:
        return "webhook", f"{given.webhook}\n{given.value}"
    if given.topic is not None:
        return "topic", f"{given.topic}\n{given.value or ''}"
    return given.of, given.series()


class Ear(NamedTuple):
    """One thing that is heard: a webhook by its name or topics by their pattern, and where in it the value is."""

    name: str
    topic: Topic | None
    path: Path

    def words(self, heard: Heard) -> Mapping[str, str] | None:
        """The named words of the topic; `None` for what is not heard."""
        if self.topic is None:
            return {} if heard.name == self.name else None
        return self.topic.match(heard.name.split("/"))


class Ears:
    """What is heard for all inputs, by the heading of its facts."""

    def __init__(self) -> None:
        self._ears: dict[Heading, Ear] = {}

    def add(self, given: Input) -> None:
        topic = None if given.topic is None else Topic(given.topic)
        self._ears[heading(given)] = Ear(given.webhook or "", topic, Path(given.value or ""))

    def remove(self, heading: Heading) -> None:
        self._ears.pop(heading, None)

    @property
    def webhooks(self) -> set[str]:
        """The names of webhooks that somebody hears."""
        return {ear.name for (source, _), ear in self._ears.items() if source == "webhook"}

    @property
    def filters(self) -> set[str]:
        """What to subscribe to."""
        return {ear.topic.filter for ear in self._ears.values() if ear.topic is not None}

    def facts(self, heard: Heard) -> Iterator[Fact]:
        """A fact for each value that somebody wants; a field that is not there says nothing."""
        for (source, name), ear in self._ears.items():
            if source != heard.source or (words := ear.words(heard)) is None:
                continue
            found = ear.path.find(heard.body)[0].value
            if found is None:
                continue
            device, value = _device(words, heard.body), _text(found)
            if device is not None:
                yield Fact(device, heard.cause, name, value, None, heard.seen, 0, source=heard.source)


def _device(words: Mapping[str, str], body: object) -> str | None:
    """The device that a message names: in its topic, or in the field `device` of its body. Empty when in neither;
    `None` for what is no name: it would be the key of an instance.
    """
    said = words.get("device") or (body.get("device") if isinstance(body, dict) else None)
    if not isinstance(said, str) or not said:
        return ""
    device = said if "/" in said else device_id(words.get("namespace", "default"), said)
    return device if len(device) <= LONGEST and device.isprintable() else None


def _text(value: object) -> str:
    if isinstance(value, (str, bool, float)):
        return show(value)
    return msgspec.json.encode(value).decode()
