"""The stand-in and the product's decoder against the raw recordings of a real EdgeCore and CloudCore, v1.23.1.

Nothing of the recordings is in this repository: without them these tests are skipped.
"""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from cloud import frames
from cloud.identity import make_request
from cloud.messages import Answered, Object
from simulator.cloudcore.authority import Authority, Refused
from simulator.cloudcore.cluster import Cluster
from simulator.cloudcore.options import Options
from simulator.cloudcore.server import serve
from simulator.cloudcore.upstream import Upstream
from tests.assets import ASSETS
from tests.simulator.raw_edge import certificate, connected, request

FOLDER = ASSETS / "reference/kubeedge/traces/cloudlink"
NODE = "edge-node"
FRAME = re.compile(r"^\[\+ *([\d.]+)s\] (EDGE->CLOUD|CLOUD->EDGE)  ws .*\n    (\{.*\})$", re.MULTILINE)
BODY = re.compile(r"^    \(body\) ([0-9a-f]{100,})$", re.MULTILINE)
Frame = dict[str, Any]


def text(name: str) -> str:
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"no recorded traffic at {path}: set GEMELO_ASSETS")
    return path.read_text()


def recorded(side: str) -> list[Frame]:
    """All whole frames of one side, in order, those that the recorder made up left out."""
    whole = text("01_edgecore_cloudcore_all.txt")
    steps = [step for step in re.split(r"^##### STEP: ", whole, flags=re.MULTILINE) if not step.startswith("INJECTED")]
    found = [json.loads(frame) for step in steps for _, way, frame in FRAME.findall(step) if way.startswith(side)]
    assert len(found) > 10
    return found


def test_every_frame_of_the_real_cloud_means_something_to_the_product() -> None:
    read = [frames.decode(json.dumps(frame)) for frame in recorded("CLOUD")]
    assert {type(one).__name__ for one in read} == {"Members", "Object", "Answered"}
    assert all(one.ok for one in read if isinstance(one, Answered))
    assert {one.kind for one in read if isinstance(one, Object)} == {"device", "devicemodel"}


async def test_every_frame_of_the_real_edge_means_something_to_the_stand_in(tmp_path: Path) -> None:
    """But for the question after all members, which CloudCore ignores too."""
    sent = recorded("EDGE")
    options = Options(data=tmp_path / "cloud", https=0, ws=0, api=0)
    options.data.mkdir()
    async with serve(options) as cloud:
        cloud.cluster.apply(model())
        cloud.cluster.apply(device())
        async with connected(cloud, await certificate(cloud, NODE, tmp_path), NODE) as edge:
            for frame in sent:
                await edge.send(frame)
            await edge.send({"header": {"msg_id": "last"}, "route": {"operation": "ping"}, "content": ""})
            await edge.until(lambda: any(f["header"].get("parent_msg_id") == "last" for f in edge.frames))
        lines = [json.loads(line) for line in (options.data / "received.jsonl").read_text().splitlines()]
    ignored = [line["route"]["resource"] for line in lines if line["verdict"] == "ignored"]
    assert set(ignored) == {"membership/detail"}
    asked = [f["header"]["msg_id"] for f in sent if f["route"]["operation"] == "update"]
    answers = [f["header"]["parent_msg_id"] for f in edge.frames if f["route"]["resource"] == "twin"]
    assert answers == asked


def test_reports_make_the_recorded_device_status_step_by_step(tmp_path: Path) -> None:
    states = [yaml.safe_load(each.partition("\n")[2]) for each in text("03_device_status_crs.txt").split("### ")[1:]]
    all_of_them = [state["status"] for state in states if state and "status" in state]
    wanted = [status for status, _ in itertools.groupby(all_of_them)]
    cluster = Cluster(tmp_path)
    cluster.apply(model())
    made = cluster.apply(device())
    upstream = Upstream(cluster, lose_first=True)
    found = [json.loads(json.dumps(cluster.status(made)["status"]))]
    for frame in recorded("EDGE"):
        if frame["route"]["operation"] == "update":
            upstream.take(frame)
            found.append(json.loads(json.dumps(cluster.status(made)["status"])))
    after = iter(found)
    assert len(wanted) >= 5
    for step in wanted:  # each in its place; what came between was not recorded
        assert any(step == state for state in after), step


def test_certificates_have_the_extensions_of_the_real_ones(tmp_path: Path) -> None:
    ca, csr, leaf = (bytes.fromhex(each) for each in BODY.findall(text("01_edgecore_cloudcore_all.txt"))[:3])
    authority = Authority(tmp_path, "127.0.0.1")
    ours = x509.load_der_x509_certificate(authority.der), x509.load_der_x509_certificate(ca)
    assert traits(ours[0]) == traits(ours[1])
    signed = authority.sign(csr, NODE, 365 * 24 * 3600.0)
    assert traits(x509.load_der_x509_certificate(signed)) == traits(x509.load_der_x509_certificate(leaf))
    theirs, mine = x509.load_der_x509_csr(csr), x509.load_der_x509_csr(make_request(NODE)[1])
    assert (mine.subject, list(mine.extensions)) == (theirs.subject, list(theirs.extensions))


def traits(certificate: x509.Certificate) -> tuple[object, ...]:
    """What of a certificate does not depend on its keys and its day."""
    values = [
        (each.oid.dotted_string, each.critical, None if "KeyIdentifier" in type(each.value).__name__ else each.value)
        for each in certificate.extensions
    ]
    days = (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days
    named = certificate.subject, certificate.issuer, certificate.signature_algorithm_oid
    return *named, days, sorted(values, key=lambda value: value[0])


def test_refusals_are_worded_as_the_real_ones(tmp_path: Path) -> None:
    said = text("07_refusals.txt")
    authority = Authority(tmp_path, "127.0.0.1")
    for token in ("", "x"):
        with pytest.raises(Refused) as refused:
            authority.check(token)
        words, _, detail = str(refused.value).partition(" token contains")
        assert words in said, (words, detail)
        assert refused.value.status == 401
    assert "HTTP/2 401" in said


async def test_an_unanswered_object_comes_as_often_as_it_came_and_the_silent_link_ends_as_it_did(
    tmp_path: Path,
) -> None:
    """In a hundredth of the time: resent every 5 s under one id, and closed 30 s after the last sign of life."""
    came = re.findall(r"^\[\+ *([\d.]+)s\] CLOUD->EDGE str \{\"header\":\{\"msg_id\":\"([^\"]+)", text(
        "08_noack_nokeepalive.txt"
    ), re.MULTILINE)  # fmt: skip
    times = [float(at) for at, _ in came]
    usual = Options(data=tmp_path)
    assert len({id_ for _, id_ in came}) == 1
    assert all(abs(b - a - usual.resend) < 0.1 for a, b in itertools.pairwise(times))
    assert times[-1] < usual.keepalive < times[-1] + usual.resend
    data = tmp_path / "cloud"
    data.mkdir()
    options = Options(data=data, https=0, ws=0, api=0, resend=usual.resend / 20, keepalive=usual.keepalive / 20)
    async with serve(options) as cloud:
        context = await certificate(cloud, NODE, tmp_path)
        async with connected(cloud, context, NODE) as edge:
            edge.acks = lambda frame: frame["route"]["resource"].startswith("default/devicemodel/")
            cloud.cluster.apply(model())
            cloud.cluster.apply(device())
            await edge.until(lambda: edge.closed)
    objects = edge.about("default/device/thermo1")
    assert len({frame["header"]["msg_id"] for frame in objects}) == 1
    assert abs(len(objects) - len(times)) <= 1


def test_the_request_of_the_real_edge_is_taken(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "127.0.0.1")
    whole = text("01_edgecore_cloudcore_all.txt")
    given = x509.load_der_x509_certificate(authority.sign(bytes.fromhex(BODY.findall(whole)[1]), NODE, 60.0))
    assert given.subject.rfc4514_string() == "CN=system:node:edge-node,O=system:nodes"
    for one in ("GET /ca.crt HTTP/1.1", "GET /edge.crt HTTP/1.1", "Nodename: edge-node", "Connectionuse: msg"):
        assert one in whole
    with pytest.raises(Refused):
        authority.sign(request("other")[1], NODE, 60.0)


def model() -> Frame:
    return dict(next(f["content"] for f in recorded("CLOUD") if f["route"]["resource"].endswith("/thermo-model")))


def device() -> Frame:
    return dict(next(f["content"] for f in recorded("CLOUD") if f["route"]["resource"] == "default/device/thermo1"))
