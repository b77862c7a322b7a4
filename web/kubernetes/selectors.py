"""Label and field selectors, as `kubectl -l` and `--field-selector` write them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from web.kubernetes.history import Entry
from web.kubernetes.status import Failure

Selector = Callable[[Entry], bool]
LONGEST = 4096
"""Characters of a selector."""
_KEY = r"(?:[A-Za-z0-9.-]{1,253}/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_VALUE = r"[A-Za-z0-9_.-]{0,63}"
_EQUAL = re.compile(rf"\s*({_KEY})\s*(==|=|!=)\s*({_VALUE})\s*")
_SET = re.compile(rf"\s*({_KEY})\s+(in|notin)\s*\(([^()]*)\)\s*")
_EXISTS = re.compile(rf"\s*(!?)\s*({_KEY})\s*")
_FIELDS: dict[str, Callable[[Entry], str]] = {
    "metadata.name": lambda entry: entry.name,
    "metadata.namespace": lambda entry: entry.namespace,
}
_FIELD = re.compile(r"([^=!]+)(==|=|!=)(.*)")


def selector(labels: str, fields: str, namespace: str = "", name: str = "") -> Selector:
    """What a request asks for. Raises `Failure` (400) for what cannot be read."""
    asked = [*_labels(_checked(labels)), *_fields(_checked(fields))]
    if namespace:
        asked.append(lambda entry: entry.namespace == namespace)
    if name:
        asked.append(lambda entry: entry.name == name)
    return lambda entry: all(each(entry) for each in asked)


def _checked(text: str) -> str:
    if len(text) > LONGEST:
        raise Failure(400, f"the selector is longer than {LONGEST} characters")
    return text


def _labels(text: str) -> Iterator[Selector]:
    for part in re.split(r",(?![^()]*\))", text) if text.strip() else ():
        if match := _EQUAL.fullmatch(part):
            key, operator, value = match.groups()
            yield _any(key, frozenset({value}), wanted=operator != "!=")
        elif match := _SET.fullmatch(part):
            key, operator, values = match.groups()
            yield _any(key, frozenset(each.strip() for each in values.split(",")), wanted=operator == "in")
        elif match := _EXISTS.fullmatch(part):
            yield _exists(match[2], wanted=not match[1])
        else:
            raise Failure(400, f'unable to parse the label selector: "{part[:80]}"')


def _any(key: str, values: frozenset[str], *, wanted: bool) -> Selector:
    """A label that is not there is none of the values."""
    return lambda entry: (entry.labels.get(key) in values) == wanted


def _exists(key: str, *, wanted: bool) -> Selector:
    return lambda entry: (key in entry.labels) == wanted


def _fields(text: str) -> Iterator[Selector]:
    for part in text.split(",") if text.strip() else ():
        match = _FIELD.fullmatch(part)
        if match is None:
            raise Failure(400, f'invalid field selector: "{part[:80]}"')
        field, operator, value = (each.strip() for each in match.groups())
        if field not in _FIELDS:
            raise Failure(400, f"field label not supported: {field[:80]}; {' and '.join(_FIELDS)} are")
        yield _field(_FIELDS[field], value, wanted=operator != "!=")


def _field(read: Callable[[Entry], str], value: str, *, wanted: bool) -> Selector:
    return lambda entry: (read(entry) == value) == wanted
