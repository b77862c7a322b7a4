r"""InfluxDB's line protocol: `weather,station=roof temp=21.5,wet=f,count=3i 1795243950296000000`.

    measurement[,tag=value…] field=value[,field=value…] [nanoseconds]

A line is a frame `{measurement: {field: value}}` with its tags as labels. `\` escapes comma, space and `=` in names
and tags (comma and space in the measurement), `"` and `\` in text. Integers end in `i` (64 bit), unsigned ones in `u`;
empty lines and those that begin with `#` are left out. One bad line refuses the message.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container

from devices.telemetry.frame import FRAMES, PROPERTIES, VALUES, Frame
from twins.errors import Rejected

TAGS = 32
_MEASUREMENT = re.compile(r"(?:[^\\, \t\r\n]|\\.){1,128}")
_KEY = re.compile(r"(?:[^\\,= \t\r\n]|\\.){1,128}")
_VALUE = re.compile(r'"(?:[^"\\]|\\.){0,8192}"|[^", \t\r\n]{1,64}', re.DOTALL)
_BLANK = re.compile(r"[ \t\r]*")
_ESCAPED = re.compile(r"\\([,= ])")
_QUOTED = re.compile(r'\\(["\\])')
_FLOAT = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?")
_INTEGER = re.compile(r"(-?[0-9]{1,20})(i|u)")
_STAMP = re.compile(r"-?[0-9]{1,19}")
_WORDS = {"t": True, "T": True, "true": True, "True": True, "TRUE": True}
_BOOLEANS = _WORDS | {"f": False, "F": False, "false": False, "False": False, "FALSE": False}


def decode(payload: bytes, now: int = 0, *, unit: int = 1, most: int = FRAMES) -> list[Frame]:
    """A frame for each line, times in `unit` nanoseconds; `Rejected` with the number of the bad one."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        raise Rejected("line protocol is UTF-8, and this is not") from None
    frames: list[Frame] = []
    at = values = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        head = text[at:end].lstrip()
        if not head or head[0] == "#":
            at = end + 1
            continue
        if len(frames) >= most:
            raise Rejected(f"more than {most} lines in a message; send them in parts")
        line = _Line(text, at, unit)
        frames.append(line.frame())
        values += line.fields
        if values > VALUES // FRAMES * most:
            raise Rejected(f"more than {VALUES // FRAMES * most} values in a message; send them in parts")
        at = line.at
    return frames


class _Line:
    """Reads the line that begins at `at`, and finds its end: text values may hold line feeds."""

    def __init__(self, text: str, at: int, unit: int) -> None:
        self.at = at
        self._unit = unit
        self.fields = 0
        self._text = text

    def frame(self) -> Frame:
        self._blank()
        measurement = self._name(_MEASUREMENT, "measurement")
        labels: dict[str, str] = {}
        while self._takes(","):
            if len(labels) >= TAGS:
                raise self._fault(f"more than {TAGS} tags")
            key = self._key("tag", labels)
            labels[key] = self._name(_KEY, f"value of the tag {key}")
        if not self._blank():
            raise self._fault("a space and fields are missing after the measurement and its tags")
        fields: dict[str, object] = {}
        while not fields or self._takes(","):
            if len(fields) >= PROPERTIES:
                raise self._fault(f"more than {PROPERTIES} fields")
            key = self._key("field", fields)
            fields[key] = self._value(key)
        self.fields = len(fields)
        return Frame({measurement: fields}, self._stamp(), {}, labels)

    def _stamp(self) -> int | None:
        """Microseconds, and the end of the line."""
        at = None
        if self._blank() and (match := _STAMP.match(self._text, self.at)):
            self.at = match.end()
            at = int(match[0]) * self._unit // 1000
            self._blank()
        if not self._takes("\n") and self.at < len(self._text):
            raise self._fault(f"{self._text[self.at : self.at + 20]!r} where a time in nanoseconds or the end belongs")
        return at

    def _key(self, what: str, known: Container[str]) -> str:
        key = self._name(_KEY, what)
        if key in known:
            raise self._fault(f"the {what} {key[:40]!r} is there twice")
        if not self._takes("="):
            raise self._fault(f"the {what} {key[:40]!r} has no value: write {what}=value")
        return key

    def _name(self, pattern: re.Pattern[str], what: str) -> str:
        match = pattern.match(self._text, self.at)
        if match is None:
            raise self._fault(f"a {what} is missing")
        self.at = match.end()
        return _ESCAPED.sub(r"\1", match[0]) if "\\" in match[0] else match[0]

    def _value(self, key: str) -> object:
        match = _VALUE.match(self._text, self.at)
        said = "" if match is None else match[0]
        self.at += len(said)
        if said[:1] == '"':
            return _QUOTED.sub(r"\1", said[1:-1])
        if said in _BOOLEANS:
            return _BOOLEANS[said]
        if integer := _INTEGER.fullmatch(said):
            value = int(integer[1])
            if -(2**63) <= value < 2**63 if integer[2] == "i" else 0 <= value < 2**64:
                return value
        elif _FLOAT.fullmatch(said) and math.isfinite(number := float(said)):
            return number
        raise self._fault(f"{key[:40]}={said[:40]} is no number, integer (3i), boolean or quoted text")

    def _blank(self) -> bool:
        blank = _BLANK.match(self._text, self.at)
        assert blank is not None  # it matches nothing too
        self.at = blank.end()
        return blank.end() > blank.start()

    def _takes(self, sign: str) -> bool:
        taken = self._text.startswith(sign, self.at)
        self.at += taken
        return taken

    def _fault(self, reason: str) -> Rejected:
        return Rejected(f"line {self._text.count(chr(10), 0, self.at) + 1}: {reason}")
