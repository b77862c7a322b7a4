"""How a node gets its certificate, and the next one."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from cloud.identity import Identity
from runtime.clock import SystemClock
from tests.conformance.skycases import Case, Thing
from tests.conformance.stage import NODE
from twins.errors import Rejected

BAD = "0" * 64 + ".eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2ln"


def sends_nothing_to_another(thing: Thing) -> None:
    sky = thing.sky
    with tempfile.TemporaryDirectory() as folder, pytest.raises(Rejected, match="nothing was sent"):
        sky.call(Identity(Path(folder), NODE, SystemClock()).join(sky.cloud.certificates_url, BAD))
    assert sky.lines("certificate", "certificate refused") == []


def gets_a_certificate(thing: Thing) -> None:
    sky = thing.sky
    with tempfile.TemporaryDirectory() as folder:
        identity = Identity(Path(folder), "n7", SystemClock())
        sky.call(identity.join(sky.cloud.certificates_url, sky.do(lambda cloud: cloud.new_token())))
        certificate = x509.load_pem_x509_certificate((Path(folder) / "node.pem").read_bytes())
        assert (Path(folder) / "node.pem").stat().st_mode & 0o777 == 0o600
    names = {name.oid: name.value for name in certificate.subject}
    assert names == {NameOID.ORGANIZATION_NAME: "system:nodes", NameOID.COMMON_NAME: "system:node:n7"}
    assert [line["node"] for line in sky.lines("certificate")] == ["n7"]


def waits_for_a_good_token(thing: Thing) -> None:
    sky = thing.sky
    sky.until(lambda: len(sky.lines("certificate refused")) > 1)
    said = sky.status()
    assert said["phase"] in {"joining", "offline"}
    sky.until(lambda: "401" in sky.status()["reason"])
    assert "keadm gettoken" in sky.status()["reason"]
    sky.do(lambda cloud: cloud.new_token())
    sky.until(lambda: sky.online)


def applies_again_under_its_name(thing: Thing) -> None:
    sky = thing.sky
    folder = sky.folder / "data" / "cloud"
    other = Identity(folder, "n9", SystemClock())
    sky.call(other.join(sky.cloud.certificates_url, sky.do(lambda cloud: cloud.new_token())))
    sky.begin()
    sky.restart()
    sky.until(lambda: sky.lines("keepalive"))
    assert [line["node"] for line in sky.lines("certificate")] == [NODE]
    assert Identity(folder, NODE, SystemClock()).load() is not None


def renews_in_time(thing: Thing) -> None:
    sky = thing.sky
    thing.join()
    sky.begin()
    number = 0
    while len(sky.lines("connected")) < 2:
        number += 1
        thing.says(temp=str(number))
        sky.until(lambda n=str(number): thing.status() == {"temp": n})
    assert len(sky.lines("certificate")) >= 2
    assert {line["tokened"] for line in sky.lines("certificate")} == {False}
    assert sky.status()["counters"]["unanswered"] == 0
    assert thing.membership("removed") == 0
    context = Identity(sky.folder / "data" / "cloud", NODE, SystemClock()).context()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


CASES = [
    Case("CRT-01", "a CA that is not the token's gets nothing of the token", sends_nothing_to_another),
    Case("CRT-02", "token and request give a certificate for this node", gets_a_certificate),
    Case(
        "CRT-03",
        "a bad token is told with what to do, and a good one taken without a restart",
        waits_for_a_good_token,
        options={"spoilt": True},
    ),
    Case("CRT-04", "a certificate of another name is not used", applies_again_under_its_name, options={"sync": 0.2}),
    Case(
        "CRT-05",
        "the next certificate comes in time, with the present one",
        renews_in_time,
        options={"certificate_life": 3.0},
    ),
]
