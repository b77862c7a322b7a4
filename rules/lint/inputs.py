"""Inputs: that each is one thing, and that it can be heard."""

from __future__ import annotations

from collections.abc import Iterator

from rules.lint.fault import Fault, attempt
from rules.manifest.detector import Detector
from rules.manifest.input import SOURCES, Input
from twins.path import Path
from twins.topic import Topic
from twins.values import device_id


def inputs(detector: Detector) -> Iterator[Fault]:
    for name, given in detector.spec.inputs.items():
        yield from _input(f"spec.inputs.{name}", given, detector)


def _input(path: str, given: Input, detector: Detector) -> Iterator[Fault]:
    if len(given.given()) != 1 and given.given() != ("property", "query"):
        said = ", ".join(given.given()) or "none"
        yield Fault(path, f"one of {', '.join(SOURCES)} is needed, given: {said}")
        return
    if given.of == "desired" and given.given() != ("property",):
        yield Fault(f"{path}.of", "only a property has a desired side")
    if given.result is not None and given.query is None:
        yield Fault(f"{path}.result", "only a query has results; name it with query")
    if given.value is not None and given.webhook is None and given.topic is None:
        yield Fault(f"{path}.value", "only webhooks and topics carry JSON")
    if given.value is not None:
        yield from attempt(f"{path}.value", _one_place, given.value)
    if given.webhook is not None and given.value is None:
        yield Fault(f"{path}.value", "missing: say where in the JSON the value is, as order.count")
    if given.topic is not None:
        yield from attempt(f"{path}.topic", Topic, given.topic)
    if given.detector is not None and _id(given.detector, detector) == detector.id:
        yield Fault(f"{path}.detector", "is this detector itself: it knows its own state")


def _one_place(text: str) -> None:
    if Path(text).stars:
        msg = f"{text!r} leads to several values: an input is one"
        raise ValueError(msg)


def _id(name: str, detector: Detector) -> str:
    return name if "/" in name else device_id(detector.metadata.namespace, name)
