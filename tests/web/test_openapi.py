"""The description of the API describes the API."""

from __future__ import annotations

import re


async def test_openapi_names_every_address_with_its_schemas(serve):
    async with serve() as (_, client), client.get("/api/v1/openapi.json") as answer:
        described = await answer.json()
    assert described["openapi"].startswith("3.1")
    expected = {
        "/livez", "/readyz", "/metrics", "/api/v1/devices", "/api/v1/devices/{namespace}/{name}",
        "/api/v1/devices/{namespace}/{name}/desired/{property}", "/api/v1/events", "/api/v1/rules", "/api/v1/cloud",
        "/api/v1/cameras/{namespace}/{name}/latest.jpg", "/api/v1/pictures/{key}", "/api/v1/sql", "/api/v1/manifests",
        "/api/v1/devices/{namespace}/{name}/history", "/api/v1/devices/{namespace}/{name}/history/{property}",
        "/api/v1/devices/{namespace}/{name}/desired", "/api/v1/manifests/{kind}/{namespace}/{name}",
        "/api/v1/schemas/{kind}",
        "/api/v1/manifests/{kind}", "/api/v1/manifests/{kind}/{name}", "/api/v1/live", "/api/v1/openapi.json",
    }  # fmt: skip
    assert expected <= described["paths"].keys()
    assert "reported" in described["components"]["schemas"]["PropertyView"]["properties"]


async def test_every_reference_leads_somewhere_and_every_operation_has_its_own_name(serve):
    async with serve() as (_, client), client.get("/api/v1/openapi.json") as answer:
        text = await answer.text()
        described = await answer.json()
    references = set(re.findall(r"#/components/schemas/(\w+)", text))
    assert references <= described["components"]["schemas"].keys()
    names = [operation["operationId"] for path in described["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))


async def test_every_described_get_without_parameters_answers(serve):
    async with serve() as (_, client):
        async with client.get("/api/v1/openapi.json") as answer:
            paths = (await answer.json())["paths"]
        for path, operations in paths.items():
            if "get" in operations and "{" not in path and not path.endswith("/live"):
                async with client.get(path) as answer:
                    assert answer.status == 200, path
                    assert answer.content_type in operations["get"]["responses"]["200"]["content"]
