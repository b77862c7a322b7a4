"""Tokens, certificates, and what TLS checks."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from cryptography import x509

from cloud.identity import Identity, Validity, make_request, parse_token
from runtime.clock import SystemClock
from tests.cloud.stage import NODE, Edge, running, world
from twins.errors import Rejected

YEAR = 365 * 24 * 3_600_000_000


class LateClock(SystemClock):
    """The machine's clock, which a test sets forward."""

    def __init__(self) -> None:
        self.ahead = 0
        self.set = asyncio.Event()

    def now(self) -> int:
        return super().now() + self.ahead

    async def sleep(self, seconds: float) -> None:
        if seconds < 60:
            await super().sleep(seconds)
        else:
            await self.set.wait()
            self.set.clear()


def test_a_token_is_the_cas_hash_and_a_jwt():
    assert parse_token("a" * 64 + ".head.body.sign\n").jwt == "head.body.sign"
    for bad in ("", "head.body.sign", "A" * 64 + ".a.b.c", "a" * 64 + ".a.b"):
        with pytest.raises(Rejected, match="keadm gettoken"):
            parse_token(bad)


def test_renewal_is_due_between_70_and_90_percent_of_the_life():
    valid = Validity(10, 2_000_010)
    assert [round(valid.due(part), -1) for part in (0.0, 0.5, 1.0)] == [1_400_010, 1_600_010, 1_800_010]


def test_a_request_names_the_node_as_kubeedge_does():
    _, request = make_request("edge-node")
    csr = x509.load_der_x509_csr(request)
    assert csr.is_signature_valid
    assert csr.subject.rfc4514_string() == "CN=system:node:edge-node,O=system:nodes,L=Hangzhou,ST=Zhejiang,C=CN"


async def test_a_certificate_of_another_node_or_out_of_date_is_not_used(options, tmp_path):
    async with world(options) as place:
        edge = Edge(place, tmp_path / "pki", place.config())
        await edge.identity.join(place.cloud.certificates_url, place.cloud.new_token())
    clock = LateClock()
    assert Identity(tmp_path / "pki", NODE, clock).load() is not None
    assert Identity(tmp_path / "pki", "edge-2", clock).load() is None
    clock.ahead = YEAR + 1
    assert Identity(tmp_path / "pki", NODE, clock).load() is None


async def test_a_damaged_certificate_is_replaced(options, tmp_path):
    async with world(options) as place:
        edge = Edge(place, tmp_path / "pki", place.config())
        await edge.identity.join(place.cloud.certificates_url, place.cloud.new_token())
        (tmp_path / "pki" / "node.pem").write_text("half a file")
        async with running(edge):
            await place.until(lambda: place.verdicts("connected"))


async def test_the_context_is_mutual_and_says_what_it_relaxes(options, tmp_path):
    async with world(options) as place:
        edge = Edge(place, tmp_path / "pki", place.config())
        await edge.identity.join(place.cloud.certificates_url, place.cloud.new_token())
        context = edge.identity.context()
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert not context.verify_flags & ssl.VERIFY_X509_STRICT
        assert not context.check_hostname
        assert edge.identity.context(verify_hostname=True).check_hostname


async def test_the_certificate_is_renewed_in_time_with_itself_and_the_link_moves_to_it(options, tmp_path):
    async with world(options) as place:
        clock = LateClock()
        edge = Edge(place, tmp_path / "pki", place.config(), clock=clock)
        async with running(edge):
            await place.until(lambda: place.verdicts("keepalive"))
            before = (tmp_path / "pki" / "node.pem").read_bytes()
            clock.ahead = int(YEAR * 0.91)
            clock.set.set()
            await place.until(lambda: len(place.verdicts("connected")) == 2)
            assert len(place.verdicts("certificate")) == 2
            assert (tmp_path / "pki" / "node.pem").read_bytes() != before
