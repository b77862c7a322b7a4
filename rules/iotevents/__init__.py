"""Detector and alarm models of AWS IoT Events, as the service's API and CloudFormation wrote them, made into manifests.

    for model in document.read(body, "pump.json"):
        found = convert(model, Options())       # found.manifest, found.findings, found.faults

Nothing is left out in silence: each element is in the report, as taken, as differing (how), or as not taken (why).
Raises `Rejected` with the JSON path for what is no sound model.
"""

from rules.iotevents.conversion import Conversion, convert
from rules.iotevents.document import read
from rules.iotevents.inputs import Options
from rules.iotevents.report import Finding

__all__ = ["Conversion", "Finding", "Options", "convert", "read"]
