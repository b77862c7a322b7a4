"""Reports from the edge become DeviceStatus objects, with the quirks of CloudCore's upstream controller."""

from __future__ import annotations

from msgspec import Struct

from simulator.cloudcore.cluster import Cluster
from simulator.cloudcore.messages import Json, content, message


class Outcome(Struct):
    """`answer` is what CloudCore says, `None` when it stays silent. `stored` and `dropped` are for the record."""

    verdict: str
    answer: Json | None = None
    stored: dict[str, str] = {}
    lost: list[str] = []
    """Properties whose first report CloudCore swallowed."""
    dropped: list[str] = []
    """Properties the Device does not declare."""


class Upstream:
    """The device controller's ear."""

    def __init__(self, cluster: Cluster, *, lose_first: bool) -> None:
        self._cluster = cluster
        self._lose_first = lose_first

    def take(self, report: Json) -> Outcome:
        """Store a `twin/edge_updated` or a `state/update`."""
        resource = report["route"]["resource"]
        parts = resource.split("/")
        if len(parts) != 5 or parts[0] != "device":
            return Outcome("unknown resource")
        device = self._cluster.get("Device", parts[1], parts[2])
        if device is None:
            return Outcome("unknown device")
        try:
            body = content(report["content"])
        except (TypeError, ValueError):
            return Outcome("unreadable")
        match parts[3:]:
            case ["twin", "edge_updated"]:
                outcome = self._twin(device, body)
            case ["state", "update"]:
                outcome = self._state(device, body)
            case _:
                return Outcome("unknown resource")
        parent = report["header"]["msg_id"]
        outcome.answer = message("devicecontroller", "twin", "response", "twin", "OK", parent=parent)
        return outcome

    def _twin(self, device: Json, body: Json) -> Outcome:
        declared = {p["name"] for p in device["spec"].get("properties", [])}
        status = self._cluster.status(device)
        twins = status["status"].setdefault("twins", [])
        outcome = Outcome("confirmed")
        for name, twin in body.get("twin", {}).items():
            if name not in declared:
                outcome.dropped.append(name)
                continue
            entry = next((t for t in twins if t["propertyName"] == name), None)
            if entry is None:
                entry = {"observedDesired": {"value": ""}, "propertyName": name, "reported": {"value": ""}}
                twins.append(entry)
                if self._lose_first:
                    outcome.lost.append(name)
                    continue  # the real one fills a copy of the entry it appended
            _fill(entry, twin, outcome)
        if not twins:
            del status["status"]["twins"]
        self._cluster.keep_status(status)
        return outcome

    def _state(self, device: Json, body: Json) -> Outcome:
        said = body.get("device", {})
        status = self._cluster.status(device)
        status["status"]["state"] = said.get("state", "")
        if said.get("lastOnlineTime"):
            status["status"]["lastOnlineTime"] = said["lastOnlineTime"]
        self._cluster.keep_status(status)
        return Outcome("confirmed", stored={"state": said.get("state", "")})


def _fill(entry: Json, twin: Json, outcome: Outcome) -> None:
    kind = twin.get("metadata", {}).get("type")
    for side, field in (("actual", "reported"), ("expected", "observedDesired")):
        value = twin.get(side, {}).get("value")
        if value is None:
            continue
        metadata = {}
        if (at := twin[side].get("metadata", {}).get("timestamp")) is not None:
            metadata["timestamp"] = str(at)
        if kind is not None:
            metadata["type"] = kind
        entry[field] = {"metadata": metadata, "value": value}
        if field == "reported":
            outcome.stored[entry["propertyName"]] = value
