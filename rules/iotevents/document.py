"""The models in a JSON file: of `create-…`, of `describe-…`, or the resources of a CloudFormation template."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import msgspec

from rules.iotevents.model import AlarmModel, Described, DetectorModel
from twins import schema
from twins.errors import Rejected

LARGEST = 1024 * 1024
"""Bytes of a file: CloudFormation takes no larger one."""
DEEPEST = 64
_DETECTOR, _ALARM = "AWS::IoTEvents::DetectorModel", "AWS::IoTEvents::AlarmModel"
_FORMS = (
    "it has neither detectorModelDefinition nor alarmRule: give what `aws iotevents describe-detector-model` or "
    "`describe-alarm-model` printed, what their create commands took, or a CloudFormation template in JSON"
)
Model = DetectorModel | AlarmModel


def read(body: bytes, where: str) -> list[tuple[str, Model]]:
    """The models of a file, each with its place for people; one without a name is called as the file `where`.

    Raises `Rejected` with the JSON path of what is wrong.
    """
    if len(body) > LARGEST:
        raise Rejected(f"{where}: {len(body)} bytes; {LARGEST} are taken")
    data = _decoded(body, where)
    if not isinstance(data, dict):
        raise Rejected(f"{where}: {_FORMS}")
    if isinstance(data.get("Resources"), dict):
        return _template(data["Resources"], where)
    if isinstance(data.get("detectorModel"), dict):
        return [(f"{where}: detectorModel", _described(data["detectorModel"], f"{where}: detectorModel"))]
    if "detectorModelConfiguration" in data:
        return [(where, _described(data, where))]
    if "detectorModelDefinition" in data or "alarmRule" in data:
        detector = "detectorModelDefinition" in data
        named = {"detectorModelName" if detector else "alarmModelName": PurePath(where).stem} | data
        return [(where, _decode(named, detector=detector, where=where))]
    raise Rejected(f"{where}: {_FORMS}")


def _decode(data: object, *, detector: bool, where: str) -> Model:
    return schema.decode(data, DetectorModel, where) if detector else schema.decode(data, AlarmModel, where)


def _decoded(body: bytes, where: str) -> object:
    try:
        data = msgspec.json.decode(body)
    except RecursionError:
        raise Rejected(f"{where}: nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected(f"{where}: not JSON: {error}") from None
    if _depth(data) > DEEPEST:
        raise Rejected(f"{where}: nested more than {DEEPEST} deep: that is no model of IoT Events")
    return data


def _depth(data: object) -> int:
    level, depth = [data], 0
    while level and depth <= DEEPEST:
        level = [each for node in level for each in _members(node)]
        depth += 1
    return depth


def _members(node: object) -> list[object]:
    return list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []


def _described(data: object, where: str) -> DetectorModel:
    found = schema.decode(data, Described, where)
    told = found.detector_model_configuration
    return DetectorModel(
        told.detector_model_name,
        found.detector_model_definition,
        told.detector_model_description,
        told.key,
        told.evaluation_method,
    )


def _template(resources: dict[str, Any], where: str) -> list[tuple[str, Model]]:
    found: list[tuple[str, Model]] = []
    for name, resource in resources.items():
        kind = resource.get("Type") if isinstance(resource, dict) else None
        if kind not in (_DETECTOR, _ALARM):
            continue
        place = f"{where}: Resources.{name}.Properties"
        data = _lowered(resource.get("Properties"), place)
        if isinstance(data, dict):
            data.setdefault("detectorModelName" if kind == _DETECTOR else "alarmModelName", name)
        found.append((place, _decode(data, detector=kind == _DETECTOR, where=place)))
    if not found:
        raise Rejected(f"{where}: Resources: there is neither {_DETECTOR} nor {_ALARM}")
    return found


def _lowered(data: object, path: str) -> object:
    """The names of CloudFormation are those of the API with a capital letter."""
    if isinstance(data, list):
        return [_lowered(each, f"{path}[{at}]") for at, each in enumerate(data)]
    if not isinstance(data, dict):
        return data
    for name in data:
        if name == "Ref" or name.startswith("Fn::"):
            raise Rejected(f"{path}: {name} is CloudFormation's to fill in: write the value that it stands for")
    return {name[:1].lower() + name[1:]: _lowered(each, f"{path}.{name}") for name, each in data.items()}
