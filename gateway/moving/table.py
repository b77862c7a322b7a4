"""Rows with names, as CSV and Parquet have them: a value a row, or a column a property."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, tzinfo

from msgspec import Struct

from devices.telemetry.formats.tagged import slug
from gateway.moving.stamp import stamp
from twins.errors import Rejected
from twins.exchange import Sample
from twins.values import is_name

_TIMES = ("time", "_time", "timestamp", "ts", "date", "datetime")
_DEVICES = ("device", "device_id", "entity_id", "sensor", "host", "name")
_PROPERTIES = ("property", "_field", "field", "metric", "key", "tag")
_VALUES = ("value", "_value", "state")
_NUMBERED = re.compile(r"0[0-9]+", re.ASCII)
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_MARKS = frozenset({"", "result", "table", "_start", "_stop", "node", "seq"})
"""Columns that other exports, and our own, have beside what they tell."""


class Layout(Struct, frozen=True):
    """Where in a row what stands; what is left empty is found by the usual names of columns.

    `device` is one device for all rows, `device_column` where each row names its own; `columns` are those that are
    properties, each by its own name, where no column names the property.
    """

    device: str = ""
    namespace: str = "default"
    device_column: str = ""
    time_column: str = ""
    property_column: str = ""
    value_column: str = ""
    columns: tuple[str, ...] = ()
    unit: str = ""
    zone: tzinfo = UTC


class Table:
    """Reads the rows of one file with these columns. Raises `Rejected` where they do not say what is needed."""

    def __init__(self, columns: Sequence[str], layout: Layout) -> None:
        self._layout = layout
        self._time = _found("time", layout.time_column, _TIMES, columns)
        if not self._time:
            raise Rejected(f"no column is the time: name it by --time; there are {_listed(columns)}")
        self._namespace = "namespace" if "namespace" in columns and not layout.device else ""
        self._device = "" if layout.device else _found("device", layout.device_column, _DEVICES, columns)
        if not layout.device and not self._device:
            raise Rejected(f"no column is the device: --device NAME, or --device-column; there are {_listed(columns)}")
        self._property = "" if layout.columns else _found("property", layout.property_column, _PROPERTIES, columns)
        self._value = _found("value", layout.value_column, _VALUES, columns) if self._property else ""
        if self._property and not self._value:
            raise Rejected(f"no column is the value: name it by --value; there are {_listed(columns)}")
        self._text = "text" if self._value == "value" and "text" in columns else ""
        taken = {self._time, self._device, self._namespace}
        if missing := set(layout.columns) - set(columns):
            raise Rejected(f"there is no column {_listed(sorted(missing))}; there are {_listed(columns)}")
        self._wide = layout.columns or tuple(c for c in columns if c not in taken and c not in _MARKS)
        if not self._property and not self._wide:
            raise Rejected(f"no column is left that could be a property; there are {_listed(columns)}")

    @property
    def meaning(self) -> str:
        """What the columns were taken for, in words."""
        whose = self._layout.device or f"column {self._device}"
        what = f"column {self._property} = column {self._value}" if self._property else _listed(self._wide)
        return f"time {self._time}, device {whose}, {what}"

    def read(self, row: Mapping[str, object]) -> Iterator[Sample]:
        """The values of a row; empty cells are none. Raises `Rejected`."""
        at = stamp(row.get(self._time), self._layout.unit, self._layout.zone)
        device = self._whose(row)
        if self._property:
            value = _value(row.get(self._value))
            if value is None and self._text:
                value = _value(row.get(self._text))
            if value is not None:
                yield device, str(row.get(self._property) or ""), at, value
            return
        for column in self._wide:
            value = _value(row.get(column))
            if value is not None:
                yield device, column, at, value

    def _whose(self, row: Mapping[str, object]) -> str:
        name = self._layout.device or str(row.get(self._device) or "")
        namespace, slash, inner = name.partition("/")
        if not slash:
            namespace, inner = str(row.get(self._namespace)) if self._namespace else self._layout.namespace, name
        return f"{namespace}/{inner if is_name(inner) else slug(inner)}"


def _value(said: object) -> int | float | bool | str | None:
    """A cell as a value: numbers and truth by their words, where it is text; `None` for an empty one."""
    if isinstance(said, bool | int):
        return said
    if isinstance(said, float):
        return said if math.isfinite(said) else None
    text = "" if said is None else str(said)
    if not text:
        return None
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    try:
        if _NUMBERED.fullmatch(text):
            return text  # such as 00123: a name that is made of digits
        if _WHOLE.fullmatch(text):
            return int(text)
        number = float(text) if "_" not in text else math.nan
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def _found(what: str, named: str, usual: Sequence[str], columns: Sequence[str]) -> str:
    """The column that was named, else the first with a usual name; empty without."""
    if named:
        if named not in columns:
            raise Rejected(f"there is no column {named!r} for the {what}; there are {_listed(columns)}")
        return named
    small = {column.lower(): column for column in reversed(columns)}
    return next((small[name] for name in usual if name in small), "")


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(column[:40] for column in columns[:20])
    return shown if len(columns) <= 20 else f"{shown}, and {len(columns) - 20} more"
