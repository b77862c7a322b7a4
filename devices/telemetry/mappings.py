"""All mappings: which topics are heard for them, and what a message means for each that matches."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Mapping as Values

from devices.telemetry.grants import Grants, Topics
from devices.telemetry.manifest import Mapping
from devices.telemetry.route import Match, Route
from twins.errors import Rejected
from twins.stimuli import Seen, Updated
from twins.topic import disjoint

TOPICS = 20_000
"""Topics whose meaning is remembered."""
TOPIC = 640
"""Characters of a topic that is remembered."""
COMMANDED = 256
"""Properties of a device that can be asked for; beyond that the one known longest is forgotten until heard again."""
UNITS = 20_000
"""Properties whose unit is remembered."""


class Mappings:
    """A message goes to every mapping whose topic matches; each makes its own updates of it."""

    def __init__(self) -> None:
        self._mappings: dict[str, Mapping] = {}
        self._grants: Grants | None = None
        self._reserved: Collection[str] = ()
        self._routes: dict[str, Route] = {}
        self._first: dict[str, list[Route]] = {}
        self._matches: dict[str, tuple[Match, ...]] = {}
        self._reach: dict[str, dict[tuple[str, str], Match]] = {}
        self._units: dict[tuple[str, str], str] = {}

    def apply(self, name: str, mapping: Mapping | None) -> None:
        """Take up a mapping; `None`: it is gone."""
        self._mappings.pop(name, None)
        self._routes.pop(name, None)
        if mapping is not None:
            self._mappings[name] = mapping
            self._routes[name] = Route(mapping)
        self._grants = None
        self._matches.clear()
        self._units.clear()
        self._first.clear()
        self._reach.clear()
        for route in self._routes.values():
            self._first.setdefault(route.topic.first, []).append(route)
            if route.commanded and (match := route.fixed) is not None:
                self._reached(match.device, match)

    @property
    def filters(self) -> frozenset[str]:
        """What to subscribe to, so that each message comes once."""
        return disjoint(route.topic.filter for route in self._routes.values())

    def read(
        self, topic: str, payload: bytes, cause: str, seen: int, *, packet: int = 0, duplicate: bool = False
    ) -> Sequence[Updated | Seen]:
        """What a message means; nothing when no mapping wants it. Raises `Rejected`: all of it holds, or none."""
        updates: list[Updated | Seen] = []
        for match in self._matching(topic):
            try:
                for update, units in match.route.read(match, topic, payload, cause, seen, packet, duplicate):
                    updates.append(update)
                    if match.route.commanded:
                        self._reached(update.device, match)
                    if units:
                        self._remember(update.device, units)
            except Rejected as error:
                raise type(error)(f"mapping {match.route.id}: {error.reason}", error.code) from None
        return updates

    def commands(self, device: str, values: Values[str, str]) -> list[tuple[str, bytes]]:
        """Messages that ask these desired values of a device: topics and payloads."""
        reach = self._reach.get(device, {})
        asked = [(match, {name: values[name]}) for (_, name), match in reach.items() if name in values]
        return [message for match, value in asked for message in match.route.commands(match, value)]

    def granted(self, device: str, reserved: Collection[str] = ()) -> Topics:
        """What a device may write and read for the mappings; `reserved` are filters of topics that are nobody's own."""
        if self._grants is None or self._reserved != reserved:
            self._grants, self._reserved = Grants(self._mappings.values(), reserved), reserved
        return self._grants.of(device)

    def unit(self, device: str, name: str) -> str:
        """The unit that a mapping, or the device's own messages, gave a property; empty when none did."""
        return self._units.get((device, name), "")

    def _matching(self, topic: str) -> tuple[Match, ...]:
        try:
            return self._matches[topic]
        except KeyError:
            words = topic.split("/")
            routes = (*self._first.get(words[0], ()), *self._first.get("", ()))
            found = tuple(match for route in routes if (match := route.match(words)) is not None)
            if len(topic) > TOPIC:
                return found
            if len(self._matches) >= TOPICS:
                self._matches.clear()
            self._matches[topic] = found
            return found

    def _reached(self, device: str, match: Match) -> None:
        """How a device is asked something, by mapping and property: what its topics' words are is known when it has
        spoken; each property is asked as it was heard last.
        """
        if device not in self._reach and len(self._reach) >= TOPICS:
            self._reach.clear()
        reach = self._reach.setdefault(device, {})
        for name in match.route.commanded_of(match):
            if len(reach) >= COMMANDED and (match.route.id, name) not in reach:
                del reach[next(iter(reach))]
            reach[match.route.id, name] = match

    def _remember(self, device: str, units: dict[str, str]) -> None:
        if len(self._units) >= UNITS:
            self._units.clear()
        for name, unit in units.items():
            self._units[device, name] = unit
