"""What Kubernetes' clients ask first: which groups, resources and fields there are, and which version serves them."""

from __future__ import annotations

import platform
import re
from typing import Any

from web.kubernetes.ports import Objects
from web.kubernetes.resources import GROUP, GROUP_VERSION, RESOURCES, VERSION, Resource

ROOT = f"/apis/{GROUP_VERSION}"
LEVEL = "1.33"
"""The release of Kubernetes whose API this is a part of."""
OLD_SCHEMAS = b"\n\x032.0\x12\x11\n\x06Gemelo\x12\x07v1beta1B\x00"
"""`/openapi/v2` as protobuf (gnostic's `openapi.v2.Document`: swagger, info, paths), and no more than that: kubectl up
to 1.29 wants one before it applies anything, and leaves to us what that does not describe."""
OLD_SCHEMAS_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_REF = re.compile(r"^#/\$defs/")
_VERSION = {"groupVersion": GROUP_VERSION, "version": VERSION}
_QUERIES = {
    "get": (),
    "put": ("dryRun", "fieldManager", "fieldValidation"),
    "patch": ("dryRun", "fieldManager", "fieldValidation", "force"),
    "post": ("dryRun", "fieldManager", "fieldValidation"),
    "delete": ("dryRun", "propagationPolicy"),
}


def group() -> dict[str, Any]:
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": GROUP,
        "versions": [_VERSION],
        "preferredVersion": _VERSION,
    }


def groups() -> dict[str, Any]:
    own = {key: value for key, value in group().items() if key not in ("kind", "apiVersion")}
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [own]}


def core() -> dict[str, Any]:
    """The group without a name: nothing of it is here."""
    return {"kind": "APIVersions", "versions": [], "serverAddressByClientCIDRs": []}


def resources() -> dict[str, Any]:
    found = [
        {
            "name": each.plural,
            "singularName": each.singular,
            "namespaced": True,
            "kind": each.kind,
            "verbs": sorted(each.verbs),
        }
        for each in RESOURCES
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": GROUP_VERSION, "resources": found}


def version(product: str) -> dict[str, str]:
    """`gitVersion` is the release of Kubernetes, which clients compare with their own, and ours behind a plus."""
    major, minor = LEVEL.split(".")
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{LEVEL}.0+gemelo.{re.sub(r'[^0-9A-Za-z.-]', '-', product)}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": platform.python_implementation(),
        "platform": f"{platform.system()}/{platform.machine()}".lower(),
    }


def schemas_index() -> dict[str, Any]:
    """`/openapi/v3`: where the description of each group is."""
    return {"paths": {ROOT.removeprefix("/"): {"serverRelativeURL": f"/openapi/v3{ROOT}"}}}


def schemas(objects: Objects) -> dict[str, Any]:
    """The OpenAPI 3.0 description, by which kubectl explains fields and knows that the server checks them."""
    parts: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for each in RESOURCES:
        said = objects.schema(each.kind)
        parts |= {name: _moved(part) for name, part in said["$defs"].items()}
        parts[each.kind] = parts[each.kind] | {"x-kubernetes-group-version-kind": [_gvk(each)]}
        paths |= _paths(each)
    info = {"title": "Gemelo: Kubernetes' API of the edge", "version": VERSION}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": parts}}


def _paths(each: Resource) -> dict[str, Any]:
    many = f"{ROOT}/namespaces/{{namespace}}/{each.plural}"
    writes = "patch" in each.verbs
    one = ("get", "put", "patch", "delete") if writes else ("get",)
    return {
        f"{ROOT}/{each.plural}": {"get": _operation(each, "get", "list")},
        many: {"get": _operation(each, "get", "list")} | ({"post": _operation(each, "post", "post")} if writes else {}),
        f"{many}/{{name}}": {method: _operation(each, method, method) for method in one},
    }


def _operation(each: Resource, method: str, action: str) -> dict[str, Any]:
    return {
        "operationId": f"{action}{each.kind}",
        "parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in _QUERIES[method]],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _gvk(each),
    }


def _gvk(each: Resource) -> dict[str, str]:
    return {"group": GROUP, "version": VERSION, "kind": each.kind}


def _moved(node: Any) -> Any:
    """A part of JSON Schema as OpenAPI 3.0 has it: references lead to `components`, and `null` is a word of its own."""
    if isinstance(node, list):
        return [_moved(each) for each in node]
    if not isinstance(node, dict):
        return node
    options = node.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        rest = [_moved(each) for each in options if each != {"type": "null"}]
        own = {key: _moved(value) for key, value in node.items() if key not in ("anyOf", "default")}
        return own | {"nullable": True} | (rest[0] if len(rest) == 1 and "$ref" not in rest[0] else {"allOf": rest})
    return {
        key: _REF.sub("#/components/schemas/", value) if key == "$ref" else _moved(value) for key, value in node.items()
    }
