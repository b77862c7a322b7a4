"""A model made into a manifest, with the report of what differs and what our lint says of it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from rules import lint
from rules.alarms import lint as alarm_lint
from rules.iotevents import alarm, detector
from rules.iotevents.document import Model
from rules.iotevents.inputs import Options
from rules.iotevents.model import DetectorModel
from rules.iotevents.report import Finding, Report
from rules.manifest import alarm as alarms
from rules.manifest import detector as detectors
from twins.errors import Rejected


class Conversion(Struct, frozen=True):
    """`manifest` as YAML has it; `faults` are what must be mended before it can be applied."""

    manifest: dict[str, Any]
    findings: tuple[Finding, ...]
    faults: tuple[str, ...]


def convert(model: Model, options: Options) -> Conversion:
    """Raises `Rejected` with the JSON path for what is no sound model."""
    report = Report()
    if isinstance(model, DetectorModel):
        found = detector.manifest(model, options, report)
    else:
        found = alarm.manifest(model, options, report)
    return Conversion(found, report.findings(), tuple(_faults(found)))


def _faults(manifest: dict[str, Any]) -> list[str]:
    try:
        if manifest["kind"] == "Alarm":
            return [str(each) for each in alarm_lint.faults(alarms.decode(manifest))]
        return [str(each) for each in lint.faults(detectors.decode(manifest))]
    except Rejected as error:
        return [error.reason]
