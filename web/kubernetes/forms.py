"""The forms of an answer: objects and lists of them, tables for people, metadata alone for those that count."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from web.kubernetes.resources import GROUP_VERSION, Column, Object, Resource
from web.kubernetes.status import Failure

META = "meta.k8s.io/v1"
Form = Literal["object", "table", "metadata"]
_FORMS: dict[str, Form] = {
    "": "object",
    "Table": "table",
    "PartialObjectMetadata": "metadata",
    "PartialObjectMetadataList": "metadata",
}
_JSON = ("application/json", "application/*", "*/*")


def form_of(accept: str) -> Form:
    """The first form of an `Accept` header that we speak. Raises `Failure` (406) for one that lists none."""
    for part in accept.split(",") if accept.strip() else ("*/*",):
        kind, *rest = (each.strip() for each in part.split(";"))
        said = dict(each.partition("=")[::2] for each in rest)
        if kind in _JSON and said.get("as", "") in _FORMS and said.get("v", "v1") in ("v1", "v1beta1"):
            return _FORMS[said.get("as", "")]
    raise Failure(406, "only application/json is spoken here, with as=Table or as=PartialObjectMetadata if wanted")


class Shape:
    """Answers in one form. `include` is what a row of a table tells of its object: Metadata, Object or None."""

    def __init__(self, form: Form, resource: Resource, include: str, now: int) -> None:
        self._form = form
        self._resource = resource
        self._include = include
        self._now = now

    def one(self, body: bytes) -> bytes:
        """One object, of which `body` is the JSON."""
        match self._form:
            case "object":
                return body
            case "metadata":
                return msgspec.json.encode(_metadata(msgspec.json.decode(body)))
            case "table":
                data = msgspec.json.decode(body)
                return msgspec.json.encode(
                    self._table([data], {"resourceVersion": data["metadata"]["resourceVersion"]})
                )

    def many(self, bodies: Iterable[bytes], metadata: dict[str, Any]) -> bytes:
        """A list of objects."""
        if self._form == "table":
            return msgspec.json.encode(self._table(map(msgspec.json.decode, bodies), metadata))
        api, kind = (META, "PartialObjectMetadataList") if self._form == "metadata" else (GROUP_VERSION, self.list_kind)
        head = msgspec.json.encode({"apiVersion": api, "kind": kind, "metadata": metadata})
        return head[:-1] + b',"items":[' + b",".join(map(self.one, bodies)) + b"]}"

    @property
    def list_kind(self) -> str:
        return f"{self._resource.kind}List"

    def _table(self, objects: Iterable[Object], metadata: dict[str, Any]) -> dict[str, Any]:
        columns = self._resource.columns
        return {
            "kind": "Table",
            "apiVersion": META,
            "metadata": metadata,
            "columnDefinitions": [_definition(column) for column in columns],
            "rows": [self._row(data) for data in objects],
        }

    def _row(self, data: Object) -> dict[str, Any]:
        cells = [_cell(column, data, self._now) for column in self._resource.columns]
        match self._include:
            case "None":
                return {"cells": cells}
            case "Object":
                return {"cells": cells, "object": data}
            case _:
                return {"cells": cells, "object": _metadata(data)}


def _metadata(data: Object) -> dict[str, Any]:
    return {"kind": "PartialObjectMetadata", "apiVersion": META, "metadata": data["metadata"]}


def _definition(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _cell(column: Column, data: Object, now: int) -> object:
    value = column.cell(data)
    return age(value if isinstance(value, str) else "", now) if column.type == "date" else value


def age(time: str, now: int) -> str:
    """How long ago, as kubectl shows it: the two greatest units at most."""
    if not time:
        return "<unknown>"
    seconds = max(
        0, now // 1_000_000 - int(datetime.strptime(time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())
    )
    for most, unit, size, next_unit, part in _AGES:
        if seconds < most:
            rest = seconds % size // part if part else 0
            return f"{seconds // size}{unit}" + (f"{rest}{next_unit}" if rest else "")
    return f"{seconds // 31_536_000}y"


_AGES: tuple[tuple[int, str, int, str, int], ...] = (
    (120, "s", 1, "", 0),
    (600, "m", 60, "s", 1),
    (10_800, "m", 60, "", 0),
    (28_800, "h", 3600, "m", 60),
    (172_800, "h", 3600, "", 0),
    (691_200, "d", 86_400, "h", 3600),
    (63_072_000, "d", 86_400, "", 0),
    (252_288_000, "y", 31_536_000, "d", 86_400),
)
"""Kubernetes' `HumanDuration`: up to so many seconds it is told in this unit, and in the next."""
