"""Sparkplug's topics: `spBv1.0/GROUP/VERB/NODE[/DEVICE]`, and the device that each is about."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from devices.telemetry.grants import Topics
from twins.errors import Rejected

PREFIX = "spBv1.0/"
NODE_VERBS = ("NBIRTH", "NDATA", "NDEATH")
DEVICE_VERBS = ("DBIRTH", "DDATA", "DDEATH")
ANNOTATION = "gemelo.dev/sparkplug"
"""Annotation of a Device: `GROUP/NODE` or `GROUP/NODE/DEVICE`, the one place whose messages it is made of."""
WORD = 128
"""Characters of a word of a topic."""
_PART = 63
_UNFIT = re.compile(r"[^a-z0-9]+")


class Place(Struct, frozen=True):
    """Who speaks: a node, or one of its devices."""

    group: str
    node: str
    device: str = ""

    @property
    def source(self) -> str:
        """The place in one text, as `ANNOTATION` has it."""
        return "/".join(filter(None, (self.group, self.node, self.device)))

    @property
    def above(self) -> Place:
        """The node."""
        return Place(self.group, self.node)

    @property
    def name(self) -> str:
        """The device's name here: each word in small letters, digits and hyphens, joined by dots."""
        return ".".join(_folded(word) for word in self.source.split("/"))

    @property
    def command(self) -> str:
        """The topic of its commands."""
        return self.topic("DCMD" if self.device else "NCMD")

    def topic(self, verb: str) -> str:
        """The topic of a verb."""
        return "/".join(filter(None, (f"{PREFIX}{self.group}", verb, self.node, self.device)))


def granted(node: Place) -> Topics:
    """What the user of a node may write and read: its own messages and those of its devices; none for unfit names."""
    if node.device or any(word != word.strip() for word in (node.group, node.node)):
        return Topics()  # mosquitto takes spaces at the end of a line away, and names another node then
    devices = Place(node.group, node.node, "+")
    writes = [node.topic(verb) for verb in NODE_VERBS] + [devices.topic(verb) for verb in DEVICE_VERBS]
    return Topics(tuple(writes), (node.command, devices.command, f"{PREFIX}STATE/+"))


def unfolded(name: str) -> Place | None:
    """The node whose device has this name and whose own words are just as it is written; `None` where it is none."""
    words = name.split(".")
    if len(words) != 2:
        return None
    place = Place(*words)
    return place if all(words) and place.name == name else None


def read(topic: str) -> tuple[str, Place] | None:
    """Verb and place of a topic; `None` for one that is none of a node's own. Raises `Rejected` for unfit words."""
    words = topic.split("/")
    if len(words) not in (4, 5) or words[2] not in (NODE_VERBS if len(words) == 4 else DEVICE_VERBS):
        return None
    return words[2], _place(words[1], *words[3:])


def place_of(source: str) -> Place | None:
    """The place that an annotation names; `None` where it names none."""
    words = source.split("/")
    try:
        return _place(*words) if len(words) in (2, 3) else None
    except Rejected:
        return None


def filters(groups: Iterable[str]) -> frozenset[str]:
    """What to subscribe to for these groups; `+` is every one."""
    found = {f"{PREFIX}{group}/{verb}/+" for group in groups for verb in NODE_VERBS}
    return frozenset(found | {f"{PREFIX}{group}/{verb}/+/+" for group in groups for verb in DEVICE_VERBS})


def _place(*words: str) -> Place:
    for word in words:
        if not 0 < len(word) <= WORD or not word.isprintable() or any(sign in word for sign in "+#"):
            raise Rejected(
                f"{word[:WORD]!r} is no name of a group, node or device: 1 to {WORD} printable characters are"
            )
    return Place(*words)


def _folded(word: str) -> str:
    made = _UNFIT.sub("-", word.lower())[:_PART].strip("-")
    if not made:
        raise Rejected(f"{word[:_PART]!r} has no letter or digit to name a device by")
    return made
