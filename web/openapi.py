"""`openapi.json`, made from the table of routes and the types of the views: it cannot say what is not so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from web.problems import ProblemView
from web.routes import Route

REF = "#/components/schemas/{name}"


def openapi(routes: Sequence[Route]) -> dict[str, Any]:
    """The OpenAPI 3.1 description of `routes`."""
    described = [route for route in routes if route.described]
    types = [kind for route in described for kind in (route.answer, route.body) if kind is not None]
    schemas, components = msgspec.json.schema_components([*types, ProblemView], ref_template=REF)
    found = iter(schemas)
    paths: dict[str, dict[str, Any]] = {}
    for route in described:
        answer = next(found) if route.answer is not None else None
        body = next(found) if route.body is not None else None
        paths.setdefault(_path(route), {})[route.method.lower()] = _operation(route, answer, body)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gemelo",
            "version": "v1",
            "description": "Device twins, rules, pictures and series of one node.",
        },
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(route: Route, answer: Any, body: Any) -> dict[str, Any]:
    name = re.sub(r"\W+", "_", f"{route.method.lower()}{_path(route).removeprefix('/api/v1')}").strip("_")
    content = {route.gives: {"schema": answer if answer is not None else {}}}
    empty = route.answer is None and route.gives == "application/json"
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": route.summary,
        "parameters": [_parameter(name, "path") for name in re.findall(r"{(\w+)", route.path)]
        + [_parameter(name, "query") for name in route.query],
        "responses": {
            "204" if empty else "200": {"description": "Done"}
            if empty
            else {"description": "Done", "content": content},
            "default": {
                "description": "What went wrong, why, and how to mend it",
                "content": {"application/problem+json": {"schema": {"$ref": REF.format(name="ProblemView")}}},
            },
        },
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {kind: {"schema": body} for kind in route.takes}}
    if route.door == "api":
        operation["security"] = [{"token": []}, {}]
    return operation


def _parameter(name: str, where: str) -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": {"type": "string"}}


def _path(route: Route) -> str:
    return re.sub(r"{(\w+):[^}]+}", r"{\1}", route.path)
