"""KubeEdge's kinds as `deploy/crds` declares them: our fields, our examples, and what a real CloudCore wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import yaml

from tests.assets import ASSETS
from tests.deploy.kustomization import DEPLOY
from twins.manifests import Device, DeviceModel
from twins.manifests.status import DeviceStatus

jsonschema = pytest.importorskip("jsonschema")

Schema = dict[str, Any]

ROOT = DEPLOY.parent
TRACES = ASSETS / "reference/kubeedge/traces/cloudlink"
KINDS = {"Device": Device, "DeviceModel": DeviceModel, "DeviceStatus": DeviceStatus}
GOOD = {
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "kind": "Device",
    "metadata": {"name": "pump"},
    "spec": {"deviceModelRef": {"name": "m"}, "nodeName": "edge-1", "properties": [{"name": "speed"}]},
}


def schema(kind: str) -> Schema:
    """What the API server checks."""
    definition = yaml.safe_load((DEPLOY / f"crds/{plural(kind)}.yaml").read_text("utf-8"))
    (version,) = definition["spec"]["versions"]
    assert (version["name"], version["served"], version["storage"]) == ("v1beta1", True, True)
    return dict(version["schema"]["openAPIV3Schema"])


def plural(kind: str) -> str:
    return "devicestatuses" if kind == "DeviceStatus" else f"{kind.lower()}s"


def closed(node: Schema) -> Schema:
    """The same, refusing what the API server would leave out without a word."""
    node = dict(node)
    if "properties" in node:
        node["properties"] = {name: closed(each) for name, each in node["properties"].items()}
        node["additionalProperties"] = False
    if "items" in node:
        node["items"] = closed(node["items"])
    return node


def complaints(document: dict[str, Any]) -> list[str]:
    whole = closed(schema(document["kind"]))
    whole["properties"]["metadata"] = {"type": "object"}
    return [error.message for error in jsonschema.Draft202012Validator(whole).iter_errors(document)]


def examples() -> Iterator[Any]:
    for file in sorted([*(ROOT / "docs/examples").rglob("*.yaml"), DEPLOY / "mine/devices.yaml"]):
        for number, document in enumerate(yaml.safe_load_all(file.read_text("utf-8"))):
            if document["kind"] in KINDS:
                yield pytest.param(document, id=f"{file.stem}-{number}")


def fields(node: Schema, definitions: Schema, path: str = "") -> Iterator[str]:
    """Dotted paths of all fields that a schema names, and the words that some may be."""
    if reference := node.get("$ref"):
        node = definitions[reference.rpartition("/")[2]]
    yield from (f"{path} = {word}" for word in node.get("enum", ()))
    for option in node.get("anyOf", ()):
        yield from fields(option, definitions, path) if "$ref" in option else ()
    for name, each in node.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from fields(each, definitions, f"{path}.{name}")
    if "items" in node and isinstance(node["items"], dict):
        yield from fields(node["items"], definitions, f"{path}[]")


@pytest.mark.parametrize("kind", KINDS)
def test_a_crd_has_the_fields_of_our_own_manifests_and_no_others(kind: str) -> None:
    ours = msgspec.json.schema(KINDS[kind])
    known = {path for path in fields(ours, ours["$defs"]) if path.startswith(".spec")}
    assert {path for path in fields(schema(kind), {}) if path.startswith(".spec")} == known
    if kind == "DeviceStatus":
        said = {path for path in fields(ours, ours["$defs"]) if path.startswith(".status.")}
        assert said == {path for path in fields(schema(kind), {}) if path.startswith(".status.")}


@pytest.mark.parametrize("document", list(examples()))
def test_every_example_is_taken_whole(document: dict[str, Any]) -> None:
    assert complaints(document) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"properties": [{"name": "speed", "desired": {}}]}, "'value' is a required property"),
        ({"properties": [{"name": "speed", "desired": {"value": 5}}]}, "5 is not of type 'string'"),
        ({"properties": [{"reportToCloud": True}]}, "'name' is a required property"),
        ({"properties": [{"name": "speed", "collectCycle": "1s"}]}, "'1s' is not of type 'integer'"),
        ({"properties": [{"name": "speed", "reportCycle": -1}]}, "-1 is less than the minimum of 0"),
        ({"deviceModelRef": {}}, "'name' is a required property"),
        ({"nodeSelector": {}}, "Additional properties are not allowed ('nodeSelector' was unexpected)"),
    ],
)
def test_a_bad_device_is_refused(change: dict[str, Any], complaint: str) -> None:
    assert complaints(GOOD) == []
    found = complaints(GOOD | {"spec": GOOD["spec"] | change})  # type: ignore[operator]
    assert complaint in found


def test_a_device_at_a_node_needs_a_model_for_cloudcore_stops_without() -> None:
    assert complaints(GOOD | {"spec": {"nodeName": "edge-1"}})
    assert complaints(GOOD | {"spec": {"nodeName": ""}}) == []
    assert complaints(GOOD | {"spec": {}}) == []


def test_a_bad_model_is_refused() -> None:
    model = {"apiVersion": GOOD["apiVersion"], "kind": "DeviceModel", "metadata": {"name": "m"}}
    assert complaints(model | {"spec": {"properties": [{"name": "a", "type": "INT"}]}}) == []
    assert complaints(model | {"spec": {"properties": [{"name": "a", "type": "INTEGER"}]}})
    assert complaints(model | {"spec": {"properties": [{"name": "a", "minimum": 0}]}})


def recorded() -> Iterator[dict[str, Any]]:
    """Objects that a real API server and a real CloudCore sent."""
    for name in ("dev.yaml", "dm.yaml"):
        yield yaml.safe_load((TRACES / name).read_text("utf-8"))
    for part in (TRACES / "03_device_status_crs.txt").read_text("utf-8").split("###")[1:]:
        document = yaml.safe_load(part.partition("\n")[2])
        if "spec" not in document or document["spec"] == {}:
            yield {"kind": "DeviceStatus"} | document
        else:
            yield {"kind": "Device", "spec": document["spec"]}
            yield {"kind": "DeviceStatus", "status": document["status"]}
    decoder = json.JSONDecoder()
    for line in (TRACES / "01_edgecore_cloudcore_all.txt").read_text("utf-8").splitlines():
        start = line.find('{"header"')
        content = decoder.raw_decode(line[start:])[0].get("content") if start >= 0 else None
        if isinstance(content, dict) and content.get("kind") in KINDS:
            yield content


def test_what_a_real_cluster_has_is_taken_whole() -> None:
    if not TRACES.is_dir():
        pytest.skip(f"no recordings at {TRACES}: set GEMELO_ASSETS")
    found = list(recorded())
    assert {each["kind"] for each in found} == set(KINDS)
    assert len(found) > 10
    for each in found:
        assert complaints(each) == [], each
