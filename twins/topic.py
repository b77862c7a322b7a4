"""Patterns of topics: an MQTT filter whose words may have names, `factory/{namespace}/{device}/state`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import combinations, zip_longest

RESERVED = ("gemelo/telemetry/#", "gemelo/alarms/command/#")
"""Topics of our own that a pattern must not touch: they would be heard twice."""
LENGTH = 1024
_NAMED = re.compile(r"\{([a-z][a-z0-9_]{0,31})\}")


class Topic:
    """One pattern. Raises `ValueError` with the reason for one that cannot be heard."""

    def __init__(self, text: str) -> None:
        words = text.split("/")
        named = [_NAMED.fullmatch(word) for word in words]
        self.names = {match[1]: n for n, match in enumerate(named) if match}
        self.filter = "/".join("+" if match else word for word, match in zip(words, named, strict=True))
        self._words = self.filter.split("/")
        self._open = self._words[-1] == "#"
        self._fixed = [(n, word) for n, word in enumerate(self._words) if word not in "+#"]
        _check(text, self._words, [match[1] for match in named if match])

    @property
    def first(self) -> str:
        """The first word; empty when it may be any."""
        return "" if self._words[0] in "+#" else self._words[0]

    def match(self, words: Sequence[str]) -> dict[str, str] | None:
        """What the named words of a topic are; `None` when the topic is another."""
        given = len(self._words)
        if not (len(words) >= given - 1 if self._open else len(words) == given):
            return None
        if any(words[n] != word for n, word in self._fixed):
            return None
        return {name: words[n] for name, n in self.names.items()}


def overlap(one: str, other: str) -> bool:
    """True when a topic may match both filters."""
    return _overlap(one.split("/"), other.split("/"))


def disjoint(filters: Iterable[str]) -> frozenset[str]:
    """Filters that hear all that these hear, none of it twice: those that overlap are made one, which may hear more.

    A broker may deliver a message once for each subscription that it matches. Two stay as they are where only one that
    hears our own topics too would hear both.
    """
    apart = set(filters)
    for one, other in combinations(sorted(apart), 2):
        if overlap(one, other) and not is_reserved(both := _joined(one, other)):
            return disjoint((apart - {one, other}) | {both})
    return frozenset(apart)


def is_reserved(pattern: str) -> bool:
    """True for a filter that hears topics of our own."""
    return any(overlap(pattern, ours) for ours in RESERVED)


def _joined(one: str, other: str) -> str:
    """The narrowest filter that hears what both hear."""
    words: list[str] = []
    for a, b in zip_longest(one.split("/"), other.split("/")):
        if a is None or b is None or "#" in (a, b):
            return "/".join([*words, "#"])
        words.append(a if a == b else "+")
    return "/".join(words)


def _overlap(one: Sequence[str], other: Sequence[str]) -> bool:
    for a, b in zip(one, other, strict=False):
        if a == "#" or b == "#":
            return True
        if a != b and a != "+" and b != "+":
            return False
    longer = one if len(one) > len(other) else other
    return len(one) == len(other) or longer[min(len(one), len(other)) :] == ["#"]


def _check(text: str, words: Sequence[str], names: Sequence[str]) -> None:
    """Raise `ValueError` with the reason when nobody could mean this."""
    reason = ""
    if not text or len(text) > LENGTH or not text.isprintable():
        reason = f"a topic has 1 to {LENGTH} printable characters"
    elif text.startswith("$"):
        reason = f"{text!r}: topics that begin with $ belong to the twin protocol and the broker"
    elif len(set(names)) < len(names):
        reason = f"{text!r}: a name stands twice in it"
    elif words[0] == "gemelo" or is_reserved("/".join(words)):
        reason = f"{text!r} would hear the gateway's own topics gemelo/… too: begin with a word of your devices"
    else:
        for n, word in enumerate(words):
            if "{" in word or "}" in word:
                reason = f"{text!r}: a name takes a whole word and small letters: …/{{device}}/…, not {word!r}"
            elif word != "+" and "+" in word:
                reason = f"{text!r}: + takes a whole word, not a part of {word!r}"
            elif "#" in word and (word != "#" or n != len(words) - 1):
                reason = f"{text!r}: # stands at the end, and alone"
    if reason:
        raise ValueError(reason)
