"""The stand-in against recordings of CloudCore v1.23.1, so that it stays honest."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from simulator.cloudcore.options import Options
from simulator.cloudcore.server import serve
from tests.simulator.raw_edge import certificate, connected, request

NODE = "edge-node"
RECORDED = [
    (one["from"], json.loads(one["frame"]))
    for one in map(json.loads, (Path(__file__).parents[1] / "cloud" / "frames.jsonl").read_text().splitlines())
]
FROM_CLOUD = [frame for side, frame in RECORDED if side == "cloud"]


def recorded(operation: str, resource: str, index: int = 0, side: str = "cloud") -> dict:
    found = [f for s, f in RECORDED if s == side and f["route"]["operation"] == operation]
    return [f for f in found if f["route"]["resource"] == resource][index]


MODEL = recorded("insert", "default/devicemodel/thermo-model")["content"]
DEVICE = recorded("insert", "default/device/thermo1")["content"]
REPORTS = [
    f for s, f in RECORDED if s == "edge" and f["route"]["resource"] == "device/default/thermo1/twin/edge_updated"
]
KEEPALIVE = recorded("keepalive", "node", side="edge")


@pytest.fixture
def options(tmp_path: Path) -> Options:
    data = tmp_path / "cloud"
    data.mkdir()
    return Options(data=data, https=0, ws=0, api=0, nodes=(), resend=0.1, sync=0.1)


def shape(frame: dict) -> object:
    """What of a frame does not depend on time, ids and who applied it how."""
    content = frame["content"]
    if isinstance(content, dict) and "spec" in content:
        content = {k: v for k, v in content.items() if k != "metadata"} | {"name": content["metadata"]["name"]}
    elif isinstance(content, dict):
        content = {k: v for k, v in content.items() if k not in ("event_id", "timestamp")}
    return sorted(frame["header"]), frame["route"], content


async def test_the_recorded_life_of_a_device_comes_out_frame_by_frame(options, tmp_path):
    async with serve(options) as cloud:
        context = await certificate(cloud, NODE, tmp_path)
        async with connected(cloud, context, NODE) as edge:
            await edge.send(KEEPALIVE)
            cloud.cluster.apply(MODEL)
            cloud.cluster.apply(DEVICE)
            await edge.until(lambda: edge.about("default/device/thermo1"))
            inserted = [
                recorded("update", "membership"),
                *(recorded("insert", f"default/{r}") for r in ("devicemodel/thermo-model", "device/thermo1")),
            ]
            assert [shape(f) for f in edge.frames] == [shape(f) for f in inserted]
            assert set(edge.frames[2]["content"]["metadata"]) == set(DEVICE["metadata"]) - {"managedFields"}

            edge.frames.clear()
            await edge.send(REPORTS[0])
            await edge.until(lambda: edge.frames)
            assert shape(edge.frames[0]) == shape(recorded("response", "twin"))
            assert edge.frames[0]["header"]["parent_msg_id"] == REPORTS[0]["header"]["msg_id"]

            cloud.cluster.desire("default", "thermo1", {"temperature": "25"})
            await edge.until(lambda: edge.about("default/device/thermo1"))
            assert shape(edge.about("default/device/thermo1")[0]) == shape(recorded("update", "default/device/thermo1"))

            edge.frames.clear()
            cloud.cluster.desire("default", "thermo1", {"temperature": "26"})
            await edge.until(lambda: edge.about("default/device/thermo1"))
            cloud.cluster.delete("Device", "default", "thermo1")
            await edge.until(
                lambda: any(f["route"]["operation"] == "delete" for f in edge.about("default/device/thermo1"))
            )
            assert {"default/devicemodel/thermo-model", "membership"} <= {f["route"]["resource"] for f in edge.frames}
            removal = edge.about("default/device/thermo1")[-1]
            assert shape(removal) == shape(recorded("delete", "default/device/thermo1"))


async def test_reports_fill_the_status_as_recorded_with_the_first_of_each_property_lost(options, tmp_path):
    steps = [
        {"temperature": ""},
        {"temperature": "22"},
        {"temperature": "22", "mode": ""},  # and ghost is dropped
        {"temperature": "22", "mode": "manual"},
    ]
    async with serve(options) as cloud:
        cloud.cluster.apply(MODEL)
        device = cloud.cluster.apply(DEVICE)
        assert cloud.cluster.status(device)["status"] == {}
        async with connected(cloud, await certificate(cloud, NODE, tmp_path), NODE) as edge:
            for number, (report, step) in enumerate(zip(REPORTS, steps, strict=False), 1):
                await edge.send(report)
                await edge.until(lambda n=number: len(edge.about("twin")) == n)
                twins = cloud.cluster.status(device)["status"]["twins"]
                assert {t["propertyName"]: t["reported"]["value"] for t in twins} == step
            assert twins[1] == {
                "observedDesired": {"value": ""},
                "propertyName": "mode",
                "reported": {"metadata": {"timestamp": "1795244432982", "type": "string"}, "value": "manual"},
            }
            await edge.send(recorded("update", "device/default/thermo1/state/update", side="edge"))
            await edge.until(lambda: len(edge.about("twin")) == 5)
            status = cloud.cluster.status(device)["status"]
            assert (status["state"], status["lastOnlineTime"]) == ("online", "2026-11-21T07:00:35Z")


async def test_a_report_of_an_unknown_device_is_not_answered(options, tmp_path):
    async with serve(options) as cloud:
        cloud.cluster.apply(MODEL)
        cloud.cluster.apply(DEVICE)
        async with connected(cloud, await certificate(cloud, NODE, tmp_path), NODE) as edge:
            await edge.send(recorded("update", "device/default/nodevice/twin/edge_updated", side="edge"))
            await edge.send(REPORTS[0])
            await edge.until(lambda: edge.about("twin"))
            assert [f["header"]["parent_msg_id"] for f in edge.about("twin")] == [REPORTS[0]["header"]["msg_id"]]
            assert cloud.record.counts["unknown device"] == 1


async def test_an_unacknowledged_object_is_resent_with_the_same_id_and_blocks_the_others(options, tmp_path):
    async with serve(options) as cloud:
        context = await certificate(cloud, NODE, tmp_path)
        async with connected(cloud, context, NODE) as edge:
            edge.acks = lambda frame: False
            cloud.cluster.apply(MODEL)
            cloud.cluster.apply(DEVICE)
            await edge.until(lambda: len(edge.about("default/devicemodel/thermo-model")) == 3)
            assert len({f["header"]["msg_id"] for f in edge.about("default/devicemodel/thermo-model")}) == 1
            assert edge.about("default/device/thermo1") == []


async def test_what_a_node_missed_comes_from_the_edgecontroller_after_its_return(options, tmp_path):
    async with serve(options) as cloud:
        cloud.cluster.apply(MODEL)
        cloud.cluster.apply(DEVICE)
        async with connected(cloud, await certificate(cloud, NODE, tmp_path), NODE) as edge:
            await edge.until(lambda: edge.about("default/device/thermo1"))
            said = edge.about("default/device/thermo1")[0]
            assert (said["route"]["source"], said["route"]["operation"]) == ("edgecontroller", "update")
            assert edge.about("membership") == []


async def test_a_newer_connection_of_a_node_replaces_the_older(options, tmp_path):
    async with serve(options) as cloud:
        context = await certificate(cloud, NODE, tmp_path)
        async with connected(cloud, context, NODE) as old, connected(cloud, context, NODE) as new:
            await old.until(lambda: old.closed)
            cloud.cluster.apply(MODEL)
            cloud.cluster.apply(DEVICE)
            await new.until(lambda: new.about("membership"))


async def test_bad_tokens_are_refused_in_cloudcores_words(options):
    async with serve(options) as cloud, aiohttp.ClientSession() as http:
        url = f"{cloud.certificates_url}/edge.crt"
        for token, text in (("", "token validation failure, token is empty"), ("x", "token is malformed")):
            headers = {"NodeName": NODE, "Authorization": f"Bearer {token}"}
            async with http.get(url, ssl=False, headers=headers, data=request(NODE)[1]) as answer:
                assert answer.status == 401
                assert text in await answer.text()


async def test_a_certificate_is_renewed_with_the_old_one_for_the_same_node_only(options, tmp_path):
    async with serve(options) as cloud:
        context = await certificate(cloud, NODE, tmp_path)
        async with aiohttp.ClientSession() as http:
            for node, status in ((NODE, 200), ("other", 401)):
                csr = request(node)[1]
                url = f"{cloud.certificates_url}/edge.crt"
                async with http.get(url, ssl=context, headers={"NodeName": node}, data=csr) as answer:
                    assert answer.status == status


async def test_the_link_needs_a_client_certificate(options):
    async with serve(options) as cloud, aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientError):
            await http.ws_connect(cloud.link_url, ssl=False)


async def test_the_control_api_keeps_objects_as_kubectl_would(options):
    async with serve(options) as cloud, aiohttp.ClientSession(cloud.api_url) as http:
        async with http.post("/apply", data=f"{json.dumps(MODEL)}\n---\n{json.dumps(DEVICE)}") as answer:
            assert await answer.json() == ["DeviceModel default/thermo-model", "Device default/thermo1"]
        async with http.patch("/devices/default/thermo1", json={"desired": {"temperature": "25"}}) as answer:
            assert (await answer.json())["spec"]["properties"][0]["desired"]["value"] == "25"
        async with http.patch("/devices/default/thermo1", json={"desired": {"speed": "25"}}) as answer:
            assert answer.status == 422
            assert "it has temperature, mode" in (await answer.json())["message"]
        async with http.put("/devices/default/d2", json={"kind": "Device", "spec": {"nodeName": NODE}}) as answer:
            assert "deviceModelRef" in (await answer.json())["message"]
        async with http.get("/devices") as answer:
            assert [one["metadata"]["name"] for one in (await answer.json())["items"]] == ["thermo1"]
        async with http.delete("/devices/default/thermo1") as answer:
            assert answer.status == 200
        async with http.get("/devices/default/thermo1") as answer:
            assert answer.status == 404


async def test_objects_and_certificates_survive_a_restart(options):
    async with serve(options) as cloud:
        ca = cloud.authority.der
        cloud.cluster.apply(MODEL)
        made = cloud.cluster.apply(DEVICE)
    async with serve(options) as cloud:
        assert cloud.authority.der == ca
        assert cloud.cluster.get("Device", "default", "thermo1") == made


async def test_the_command_serves_and_the_fault_command_cuts(tmp_path):
    simulate = (sys.executable, "-c", "from simulator.cli import main; main()")
    cloud = await asyncio.create_subprocess_exec(
        *simulate,
        "cloudcore",
        "--data",
        str(tmp_path / "c"),
        "--https",
        "0",
        "--ws",
        "0",
        "--api",
        "0",
        "--node",
        NODE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert cloud.stdout is not None
        async with asyncio.timeout(20):
            said = [(await cloud.stdout.readline()).decode() for _ in range(4)]
            assert "test double" in said[0]
            api = said[1].split("control")[1].strip()
            fault = await asyncio.create_subprocess_exec(
                *simulate, "fault", "cloud", "--for", "2s", "--api", api, stdout=asyncio.subprocess.PIPE
            )
            told, _ = await fault.communicate()
            assert (fault.returncode, told.decode()) == (
                0,
                "cut for 2 s: links are aborted, new ones refused (0 cut now)\n",
            )
            async with aiohttp.ClientSession(api) as http, http.get("/") as answer:
                assert list((await answer.json())["faults"]) == ["cut"]
    finally:
        cloud.send_signal(signal.SIGTERM)
        assert await cloud.wait() == 0
