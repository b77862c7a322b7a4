"""The edge API as a client sees it, word for word as Kubernetes answers."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack

import pytest
from aiohttp import ClientSession
from msgspec import structs

from tests.web.kubernetes.shelf import DEVICES, FIRST, LOOPBACK, ROOT, device, event
from twins.errors import Rejected, Unavailable
from web.config import WebConfig
from web.kubernetes import watching

TOKEN = "a-token-of-20-letters"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def names(told):
    return [each["metadata"]["name"] for each in told["items"]]


def failed(answer, code, reason):
    """The message of a `Status` that says this."""
    status, told = answer
    assert (status, told["kind"], told["apiVersion"], told["status"]) == (code, "Status", "v1", "Failure"), told
    assert (told["code"], told["reason"]) == (code, reason)
    return told["message"]


async def test_discovery_leads_from_the_root_to_the_resources(serve):
    async with serve() as (_, client):
        assert (await client.get("/api"))["versions"] == []
        (group,) = (await client.get("/apis"))["groups"]
        assert group["preferredVersion"]["groupVersion"] == "devices.kubeedge.io/v1beta1"
        assert (await client.get("/apis/devices.kubeedge.io"))["name"] == group["name"]
        told = await client.get(f"/apis/{group['preferredVersion']['groupVersion']}")
        assert {each["name"]: each["kind"] for each in told["resources"]} == {
            "devices": "Device",
            "devicemodels": "DeviceModel",
            "devicestatuses": "DeviceStatus",
        }
        assert all(each["namespaced"] and {"get", "list", "watch"} <= set(each["verbs"]) for each in told["resources"])
        assert (await client.get("/version"))["gitVersion"].endswith("+gemelo.1.2")


async def test_the_schema_of_each_kind_is_where_the_index_says_and_refers_to_nothing_else(serve):
    async with serve() as (_, client):
        (where,) = (await client.get("/openapi/v3"))["paths"].values()
        told = await client.get(where["serverRelativeURL"])
        async with client.http.get(f"{client.url}/openapi/v2") as old:
            assert (old.status, old.content_type.endswith("+protobuf")) == (200, True)
            assert await old.read() == b"\x0a\x032.0" + b"\x12\x11\x0a\x06Gemelo\x12\x07v1beta1" + b"\x42\x00"
    parts = told["components"]["schemas"]
    assert parts["Device"]["x-kubernetes-group-version-kind"][0]["kind"] == "Device"
    patch = told["paths"][f"{ROOT}/namespaces/{{namespace}}/devices/{{name}}"]["patch"]
    assert "fieldValidation" in [each["name"] for each in patch["parameters"]]
    refs = {part.partition('"')[0] for part in str(told).replace("'", '"').split("#/components/schemas/")[1:]}
    assert refs <= set(parts)
    assert "$defs" not in str(told)


async def test_a_list_is_in_order_and_carries_the_version_to_watch_from(serve, shelf):
    for each in ("pump-2", "pump-1"):
        shelf.put(device(each))
    shelf.put(device("pump-3", "other"))
    async with serve() as (_, client):
        one = await client.get(DEVICES)
        assert (one["kind"], names(one)) == ("DeviceList", ["pump-1", "pump-2"])
        assert int(one["metadata"]["resourceVersion"]) == FIRST + 3
        assert names(await client.get(f"{ROOT}/devices")) == ["pump-1", "pump-2", "pump-3"]
        assert names(await client.get(f"{ROOT}/devices?fieldSelector=metadata.namespace%3Dother")) == ["pump-3"]
        assert names(await client.get(f"{ROOT}/namespaces/empty/devices")) == []


async def test_pages_show_one_state_whatever_changes_between_them(serve, shelf):
    for number in range(5):
        shelf.put(device(f"pump-{number}"))
    async with serve() as (_, client):
        first = await client.get(f"{DEVICES}?limit=2")
        assert (names(first), first["metadata"]["remainingItemCount"]) == (["pump-0", "pump-1"], 3)
        shelf.drop("Device", "default/pump-2")
        shelf.put(device("pump-3", nodeName="new"))
        shelf.put(device("pump-9"))
        assert len(names(await client.get(DEVICES))) == 5
        second = await client.get(f"{DEVICES}?limit=2&continue={first['metadata']['continue']}")
        assert names(second) == ["pump-2", "pump-3"]
        assert second["items"][1]["spec"] == {}
        third = await client.get(f"{DEVICES}?limit=2&continue={second['metadata']['continue']}")
        assert names(third) == ["pump-4"]
        assert "continue" not in third["metadata"]
        assert third["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_a_page_of_a_state_that_is_forgotten_is_gone(serve, shelf):
    shelf.put(device("a"))
    shelf.put(device("b"))
    async with serve() as (_, client):
        token = (await client.get(f"{DEVICES}?limit=1"))["metadata"]["continue"]
        for number in range(4):
            shelf.put(device("big", nodeName=f"{number}" + "x" * 3_000_000))
            await client.get(f"{DEVICES}?limit=1")
        message = failed(await client.ask("GET", f"{DEVICES}?limit=1&continue={token}"), 410, "Expired")
    assert "the continue parameter is too old" in message


@pytest.mark.parametrize(
    ("query", "code", "reason"),
    [
        ("limit=x", 400, "BadRequest"),
        ("continue=%21", 400, "BadRequest"),
        ("continue=eyJ9", 400, "BadRequest"),
        ("labelSelector=a%3D%3D%3Db", 400, "BadRequest"),
        ("fieldSelector=spec.x%3D1", 400, "BadRequest"),
        ("resourceVersion=1&resourceVersionMatch=Exact", 410, "Expired"),
        ("watch=1&resourceVersion=1", 410, "Expired"),
        ("watch=1&resourceVersion=99999999999999", 410, "Expired"),
        ("watch=1&timeoutSeconds=soon", 400, "BadRequest"),
    ],
)
async def test_a_bad_question_is_answered_with_a_status(serve, query, code, reason):
    async with serve() as (_, client):
        assert failed(await client.ask("GET", f"{DEVICES}?{query}"), code, reason)


async def test_what_is_not_there_is_not_found_in_kubernetes_words(serve):
    async with serve() as (_, client):
        told = await client.ask("GET", f"{DEVICES}/none")
        assert failed(told, 404, "NotFound") == 'devices.devices.kubeedge.io "none" not found'
        assert told[1]["details"] == {"name": "none", "group": "devices.kubeedge.io", "kind": "devices"}
        failed(await client.ask("GET", f"{ROOT}/namespaces/default/pods"), 404, "NotFound")
        failed(await client.ask("GET", "/nowhere"), 404, "NotFound")
        failed(await client.ask("PUT", "/version", {}), 405, "MethodNotAllowed")
        failed(await client.ask("DELETE", f"{ROOT}/namespaces/default/devicestatuses/x"), 405, "MethodNotAllowed")


async def test_a_table_has_the_columns_of_its_kind_and_the_metadata_of_each_row(serve, shelf):
    shelf.put(device("pump-1", deviceModelRef={"name": "pump"}, nodeName="edge-1"))
    async with serve() as (_, client):
        told = await client.get(DEVICES, Accept=TABLE)
        assert (told["kind"], told["apiVersion"]) == ("Table", "meta.k8s.io/v1")
        assert [each["name"] for each in told["columnDefinitions"]] == ["Name", "Model", "Protocol", "Node", "Age"]
        (row,) = told["rows"]
        assert row["cells"] == ["pump-1", "pump", "", "edge-1", "<unknown>"]
        assert (row["object"]["kind"], row["object"]["metadata"]["name"]) == ("PartialObjectMetadata", "pump-1")
        whole = await client.get(f"{DEVICES}?includeObject=Object", Accept=TABLE)
        assert whole["rows"][0]["object"]["kind"] == "Device"
        bare = await client.get(f"{DEVICES}/pump-1?includeObject=None", Accept=TABLE)
        assert set(bare["rows"][0]) == {"cells"}


async def test_the_table_of_statuses_shows_what_is_reported_and_what_is_asked_instead(serve, shelf):
    empty = {"value": ""}
    twins = [
        {"propertyName": "speed", "reported": {"value": "10"}, "observedDesired": {"value": "20"}},
        {"propertyName": "mode", "reported": {"value": "auto"}, "observedDesired": {"value": "auto"}},
        {"propertyName": "flow", "reported": {"value": "1.5"}, "observedDesired": empty},
    ]
    shelf.put(device("pump-1") | {"kind": "DeviceStatus", "status": {"state": "online", "twins": twins}})
    async with serve() as (_, client):
        told = await client.get(f"{ROOT}/devicestatuses", Accept=TABLE)
    assert told["rows"][0]["cells"][3] == "speed=10→20, mode=auto, flow=1.5"


async def test_metadata_alone_is_given_to_those_that_only_count(serve, shelf):
    shelf.put(device("pump-1", nodeName="edge-1"))
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    async with serve() as (_, client):
        told = await client.get(DEVICES, Accept=accept)
    assert told["kind"] == "PartialObjectMetadataList"
    assert set(told["items"][0]) == {"kind", "apiVersion", "metadata"}


async def test_a_watch_tells_what_changes_after_the_list(serve, shelf):
    shelf.put(device("old"))
    async with serve() as (_, client):
        version = (await client.get(DEVICES))["metadata"]["resourceVersion"]
        async with client.watch(f"{DEVICES}?watch=true&resourceVersion={version}") as stream:
            shelf.put(device("new"))
            kind, first = await event(stream)
            assert (kind, first["kind"], first["metadata"]["name"]) == ("ADDED", "Device", "new")
            shelf.put(device("new", nodeName="edge-2"))
            kind, second = await event(stream)
            assert (kind, second["spec"]) == ("MODIFIED", {"nodeName": "edge-2"})
            shelf.drop("Device", "default/new")
            kind, third = await event(stream)
            assert (kind, third["spec"]) == ("DELETED", {"nodeName": "edge-2"})
            versions = [int(each["metadata"]["resourceVersion"]) for each in (first, second, third)]
            assert int(version) < versions[0] < versions[1] < versions[2]


async def test_a_watch_without_a_version_begins_with_what_there_is(serve, shelf):
    shelf.put(device("b"))
    shelf.put(device("a"))
    async with serve() as (_, client), client.watch(f"{DEVICES}?watch=1") as stream:
        assert [(await event(stream))[1]["metadata"]["name"] for _ in "ab"] == ["a", "b"]


async def test_a_watch_that_asks_for_the_beginning_is_told_where_that_ends(serve, shelf):
    shelf.put(device("a"))
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    async with serve() as (_, client), client.watch(f"{DEVICES}?{query}&resourceVersion={FIRST}") as stream:
        assert (await event(stream))[0] == "ADDED"
        kind, mark = await event(stream)
        assert (kind, mark["metadata"]["annotations"]) == ("BOOKMARK", {"k8s.io/initial-events-end": "true"})


async def test_what_a_selector_lets_through_no_more_is_deleted_for_that_watch(serve, shelf):
    def pump(site, **spec):
        made = device("pump-1", **spec)
        return made | {"metadata": made["metadata"] | {"labels": {"site": site}}}

    async with serve() as (_, client), client.watch(f"{DEVICES}?watch=1&labelSelector=site%3Dnorth") as stream:
        for each in (pump("south"), pump("north"), pump("north", nodeName="x"), pump("south"), device("other")):
            shelf.put(each)
            await client.get(DEVICES)
        shelf.drop("Device", "default/pump-1")
        shelf.put(pump("north"))
        told = [(await event(stream))[0] for _ in range(4)]
    assert told == ["ADDED", "MODIFIED", "DELETED", "ADDED"]


async def test_a_watch_ends_at_its_time_with_a_bookmark_for_those_that_take_one(serve, shelf):
    shelf.put(device("a"))
    async with serve() as (_, client):
        version = (await client.get(DEVICES))["metadata"]["resourceVersion"]
        query = f"watch=1&resourceVersion={version}&timeoutSeconds=1"
        async with (
            client.watch(f"{DEVICES}?{query}") as bare,
            client.watch(f"{DEVICES}?{query}&allowWatchBookmarks=true") as marked,
        ):
            assert await event(bare) == ("", None)
            assert await event(marked) == (
                "BOOKMARK",
                {
                    "kind": "Device",
                    "apiVersion": "devices.kubeedge.io/v1beta1",
                    "metadata": {"resourceVersion": version},
                },
            )
            assert await event(marked) == ("", None)


async def test_a_watcher_that_reads_too_slowly_is_told_that_its_version_is_gone(serve, shelf):
    async with serve() as (_, client):
        version = (await client.get(DEVICES))["metadata"]["resourceVersion"]
        async with client.watch(f"{DEVICES}?watch=1&resourceVersion={version}") as stream:
            for number in range(120):
                shelf.put(device("big", nodeName=f"{number}" + "x" * 400_000))
                await client.get(f"{DEVICES}?limit=1&fieldSelector=metadata.name%3Dnone")
            kinds = []
            while kinds[-1:] not in (["ERROR"], [""]):
                kind, told = await event(stream)
                kinds.append(kind)
            assert kinds[-1] == "ERROR"
            assert (told["code"], told["reason"]) == (410, "Expired")
            assert len(kinds) < 120


async def test_a_client_that_reads_nothing_at_all_is_cut_off(serve, shelf, monkeypatch):
    monkeypatch.setattr(watching, "PATIENCE", 0.1)
    for number in range(30):
        shelf.put(device(f"big-{number}", nodeName="x" * 500_000))
    async with serve(structs.replace(LOOPBACK, viewers=1)) as (api, client):
        host, _, port = api.address.rpartition(":")
        with socket.create_connection((host, int(port))) as idle:
            idle.sendall(f"GET {DEVICES}?watch=1 HTTP/1.1\r\nHost: {api.address}\r\n\r\n".encode())
            status = 0
            async with asyncio.timeout(10):
                while status != 429:  # it has come in
                    status = await _status(client)
                while status != 200:  # its place is free again
                    status = await _status(client)


async def _status(client):
    async with client.watch(f"{DEVICES}?watch=1&resourceVersion={FIRST + 30}") as stream:
        return stream.status


async def test_what_changes_is_read_once_however_many_watch_and_not_at_all_while_nobody_asks(serve, shelf):
    async with serve() as (_, client), AsyncExitStack() as stack:
        for number in range(100):
            shelf.put(device("pump-1", nodeName=str(number)))
        assert shelf.reads == 0
        streams = [await stack.enter_async_context(client.watch(f"{DEVICES}?watch=1")) for _ in range(3)]
        assert [(await event(stream))[1]["spec"] for stream in streams] == [{"nodeName": "99"}] * 3
        assert shelf.reads == 1
        shelf.put(device("pump-1", nodeName="new"))
        assert [(await event(stream))[1]["spec"] for stream in streams] == [{"nodeName": "new"}] * 3
        assert shelf.reads == 2


async def test_there_are_only_so_many_watches(serve):
    async with serve() as (_, client), AsyncExitStack() as stack:
        for _ in range(LOOPBACK.viewers):
            await stack.enter_async_context(client.watch(f"{DEVICES}?watch=1"))
        assert "[edge_api] watches" in failed(await client.ask("GET", f"{DEVICES}?watch=1"), 429, "TooManyRequests")


async def test_the_server_ends_at_once_while_watches_are_open_and_ends_them_in_order(serve):
    async with asyncio.timeout(1.5), ClientSession() as http, AsyncExitStack() as stack:
        _, client = await stack.enter_async_context(serve())
        async with http.get(f"{client.url}{DEVICES}?watch=1") as stream:
            await stack.aclose()
            assert await stream.read() == b""


async def test_an_object_is_created_once_and_read_back_as_everybody_sees_it(serve):
    async with serve() as (_, client):
        body = {"metadata": {"name": "pump-1"}, "spec": {"nodeName": "edge-1"}}
        status, told = await client.ask("POST", DEVICES, body)
        assert (status, told["kind"], told["metadata"]["namespace"]) == (201, "Device", "default")
        assert told == await client.get(f"{DEVICES}/pump-1")
        failed(await client.ask("POST", DEVICES, body), 409, "AlreadyExists")


async def test_a_change_upon_an_old_version_is_a_conflict_and_upon_the_newest_or_none_is_not(serve, shelf):
    shelf.put(device("pump-1"))
    async with serve() as (_, client):
        old = await client.get(f"{DEVICES}/pump-1")
        status, new = await client.ask("PUT", f"{DEVICES}/pump-1", old | {"spec": {"nodeName": "a"}})
        assert (status, new["spec"]) == (200, {"nodeName": "a"})
        message = failed(
            await client.ask("PUT", f"{DEVICES}/pump-1", old | {"spec": {"nodeName": "b"}}), 409, "Conflict"
        )
        assert message == (
            'Operation cannot be fulfilled on devices.devices.kubeedge.io "pump-1": the object has been modified; '
            "please apply your changes to the latest version and try again"
        )
        patch = {"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}, "spec": {"nodeName": "c"}}
        merge = "application/merge-patch+json"
        failed(await client.ask("PATCH", f"{DEVICES}/pump-1", patch, merge), 409, "Conflict")
        status, told = await client.ask("PATCH", f"{DEVICES}/pump-1", {"spec": {"nodeName": "c"}}, merge)
        assert (status, told["spec"]) == (200, {"nodeName": "c"})
        other = {"metadata": {"uid": "another"}, "spec": {}}
        assert "made anew" in failed(await client.ask("PUT", f"{DEVICES}/pump-1", other), 409, "Conflict")
        bare = {"metadata": {}, "spec": {"nodeName": "d"}}
        assert (await client.ask("PUT", f"{DEVICES}/pump-1", bare))[0] == 200


async def test_two_that_change_the_same_version_at_once_do_not_both_succeed(serve, shelf):
    shelf.put(device("pump-1"))
    async with serve() as (_, client):
        old = await client.get(f"{DEVICES}/pump-1")
        asked = [client.ask("PUT", f"{DEVICES}/pump-1", old | {"spec": {"nodeName": f"n{n}"}}) for n in range(8)]
        assert sorted(status for status, _ in await asyncio.gather(*asked)) == [200] + [409] * 7


async def test_an_object_is_deleted_if_it_is_the_one_that_is_meant(serve, shelf):
    shelf.put(device("pump-1"))
    async with serve() as (_, client):
        other = {"kind": "DeleteOptions", "preconditions": {"uid": "another"}}
        failed(await client.ask("DELETE", f"{DEVICES}/pump-1", other), 409, "Conflict")
        for odd in ([], {"preconditions": ["uid"]}, {"dryRun": "All"}):
            failed(await client.ask("DELETE", f"{DEVICES}/pump-1", odd), 400, "BadRequest")
        status, told = await client.ask("DELETE", f"{DEVICES}/pump-1", {"propagationPolicy": "Background"})
        assert (status, told["status"], told["details"]["uid"]) == (200, "Success", "uid-pump-1")
        failed(await client.ask("DELETE", f"{DEVICES}/pump-1"), 404, "NotFound")


async def test_a_dry_run_checks_and_changes_nothing(serve, shelf):
    shelf.put(device("pump-1"))
    async with serve() as (_, client):
        version = (await client.get(DEVICES))["metadata"]["resourceVersion"]
        body = {"metadata": {"name": "pump-2"}, "spec": {"nodeName": "edge-1"}}
        assert (await client.ask("POST", f"{DEVICES}?dryRun=All", body))[0] == 201
        failed(await client.ask("POST", f"{DEVICES}?dryRun=All", body | {"spec": {"nodeName": "bad"}}), 422, "Invalid")
        assert (await client.ask("DELETE", f"{DEVICES}/pump-1?dryRun=All"))[0] == 200
        failed(await client.ask("DELETE", f"{DEVICES}/pump-1?dryRun=Some"), 422, "Invalid")
        told = await client.get(DEVICES)
        assert (names(told), told["metadata"]["resourceVersion"]) == (["pump-1"], version)


@pytest.mark.parametrize(
    ("body", "code", "reason", "message"),
    [
        ({"metadata": {"name": "x"}, "spec": {"nodeName": "bad"}}, 422, "Invalid", "spec.nodeName: is bad"),
        ({"metadata": {"name": "x"}, "spec": {"nodeName": "clouds"}}, 403, "Forbidden", "is the cloud's"),
        ({"metadata": {"name": "X y"}, "spec": {}}, 422, "Invalid", "is no name"),
        ({"metadata": {}, "spec": {}}, 422, "Invalid", "is no name"),
        ({"spec": {}}, 422, "Invalid", "metadata"),
        ({"metadata": {"name": "x", "namespace": "b"}, "spec": {}}, 400, "BadRequest", "namespace of the address"),
        ({"kind": "Pod", "metadata": {"name": "x"}}, 400, "BadRequest", "this address takes Device"),
        ({"apiVersion": "v1", "metadata": {"name": "x"}}, 400, "BadRequest", "apiVersion"),
        ({"metadata": {"name": 5}, "spec": {}}, 422, "Invalid", "is no name"),
        ({"metadata": {"name": ["x"]}, "spec": {}}, 422, "Invalid", "is no name"),
        ({"metadata": {"name": "x", "namespace": []}, "spec": {}}, 400, "BadRequest", "namespace of the address"),
        ([], 400, "BadRequest", "no Device"),
        (b"{", 400, "BadRequest", "the body is not"),
        (b'"' + b"x" * 10_000 + b'"', 413, "RequestEntityTooLarge", "larger than"),
        (b"[" * 5_000, 400, "BadRequest", "nested"),
    ],
)
async def test_what_cannot_be_applied_is_refused_with_the_reason(serve, body, code, reason, message):
    async with serve(structs.replace(LOOPBACK, body_limit=8192)) as (_, client):
        assert message in failed(await client.ask("POST", DEVICES, body), code, reason)


async def test_only_json_is_taken_and_patches_only_of_two_kinds(serve, shelf):
    shelf.put(device("pump-1"))
    async with serve() as (_, client):
        yaml = await client.ask("POST", DEVICES, b"kind: Device", "application/yaml")
        assert failed(yaml, 415, "UnsupportedMediaType")
        form = await client.ask("POST", DEVICES, b"{}", "text/plain")
        assert failed(form, 415, "UnsupportedMediaType")
        for kind in ("application/apply-patch+yaml", "application/strategic-merge-patch+json"):
            told = failed(await client.ask("PATCH", f"{DEVICES}/pump-1", b"{}", kind), 415, "UnsupportedMediaType")
            assert "application/merge-patch+json" in told


async def test_who_has_no_token_sees_nothing_but_whether_it_lives(serve, shelf):
    shelf.put(device("pump-1"))
    async with serve(WebConfig(listen="127.0.0.1:0", token=TOKEN)) as (_, client):
        for path in ("/apis", DEVICES, f"{DEVICES}?watch=1"):
            failed(await client.ask("GET", path), 401, "Unauthorized")
            failed(await client.ask("GET", path, Authorization="Bearer wrong"), 401, "Unauthorized")
        assert names(await client.get(DEVICES, Authorization=f"Bearer {TOKEN}")) == ["pump-1"]
        async with client.http.get(f"{client.url}/livez") as answer:
            assert (answer.status, await answer.text()) == (200, "ok")


async def test_no_page_of_a_browser_can_write_or_read_here(serve):
    async with serve() as (_, client):
        body = {"metadata": {"name": "x"}, "spec": {}}
        failed(await client.ask("POST", DEVICES, body, Origin="http://evil.example"), 403, "Forbidden")
        status, _ = await client.ask("GET", DEVICES, Host="evil.example")
        assert status == 421


async def test_a_taken_port_is_named_with_its_key(serve):
    async with serve() as (api, _):
        with pytest.raises(ExceptionGroup) as errors:
            async with asyncio.timeout(5), serve(WebConfig(listen=api.address)):
                pytest.fail("two servers have one port")
    assert errors.group_contains(Unavailable, match=r"the edge API cannot listen .* \[edge_api\] listen")


async def test_beyond_loopback_it_needs_a_lock(shelf, serve):
    with pytest.raises(Rejected, match=r'edge_api.listen = "0.0.0.0:10550" can be reached from the network'):
        async with serve(WebConfig(listen="0.0.0.0:10550", says="edge_api.listen")):
            pass
