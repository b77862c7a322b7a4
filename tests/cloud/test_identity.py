"""Tokens, certificates, and what TLS checks."""

from __future__ import annotations

import asyncio
import hashlib
import ssl

import msgspec
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from cloud.identity import Identity, Validity, make_request, parse_token
from runtime.clock import SystemClock
from tests.cloud.operators import Operator
from tests.cloud.stage import NODE, Edge, World, device, running, world
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
            await super().sleep(min(seconds, 0.2))
        else:
            await self.set.wait()
            self.set.clear()


class TellingClock(SystemClock):
    """Has the world looked at whenever somebody begins to wait."""

    def __init__(self, place: World) -> None:
        self._place = place

    async def sleep(self, seconds: float) -> None:
        self._place.moved()
        await super().sleep(min(seconds, 0.05))


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


@pytest.mark.parametrize("damage", ["no certificate", "no key", "no ca"])
async def test_a_damaged_certificate_is_replaced(options, tmp_path, damage):
    async with world(options) as place:
        edge = Edge(place, tmp_path / "pki", place.config())
        await edge.identity.join(place.cloud.certificates_url, place.cloud.new_token())
        own, ca = tmp_path / "pki" / "node.pem", tmp_path / "pki" / "ca.pem"
        if damage == "no key":
            own.write_bytes(own.read_bytes().replace(b"EC PRIVATE KEY", b"NO KEY"))
        else:
            (ca if damage == "no ca" else own).write_text("half a file")
        async with running(edge):
            await place.until(lambda: place.verdicts("connected"))


async def test_a_certificate_that_may_not_be_read_is_told_and_stops_nothing(options, tmp_path):
    """A folder in its place, as tests may run as root, who may read everything."""
    async with world(options) as place:
        edge = Edge(place, tmp_path / "pki", place.config(), clock=TellingClock(place))
        await edge.identity.join(place.cloud.certificates_url, place.cloud.new_token())
        own, aside = tmp_path / "pki" / "node.pem", tmp_path / "pki" / "aside"
        own.rename(aside)
        own.mkdir()
        async with running(edge):
            await place.until(lambda: "the certificate cannot be read" in edge.core.state.reason)
            own.rmdir()
            aside.rename(own)
            await place.until(lambda: place.verdicts("connected"))


async def test_a_certificate_that_cannot_be_stored_is_asked_for_again_and_the_link_goes_on(options, tmp_path, caplog):
    """As on a full disk: here a folder stands where the file is to be written."""
    async with world(options) as place:
        clock = LateClock()
        edge = Edge(place, tmp_path / "pki", place.config(heartbeat=0.2), clock=clock)
        async with running(edge):
            await place.until(lambda: place.verdicts("keepalive"))
            (tmp_path / "pki" / "node.new").mkdir()
            clock.ahead = int(YEAR * 0.91)
            clock.set.set()
            await place.until(lambda: len(place.verdicts("certificate")) == 3)
            assert "the certificate cannot be stored" in caplog.text
            assert (edge.core.state.phase, edge.core.state.counters.links) == ("online", 1)
            (tmp_path / "pki" / "node.new").rmdir()
            await place.until(lambda: edge.core.state.counters.links == 2)


async def test_what_is_no_certificate_is_refused_in_words_and_is_read_whole_in_however_many_pieces(tmp_path):
    operator, body = Operator(tmp_path), b"no certificate" * 60_000
    tls = operator.server()
    tls.verify_mode = ssl.CERT_NONE

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls) as far:
        url = f"https://127.0.0.1:{far.sockets[0].getsockname()[1]}"
        token = f"{hashlib.sha256(body).hexdigest()}.a.b.c"
        with pytest.raises(Rejected, match="what the cloud gave is no certificate"):
            await Identity(tmp_path / "pki", NODE, SystemClock()).join(url, token)


async def test_a_token_file_that_is_no_text_is_told(options, tmp_path):
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    async with world(options) as place:
        edge = Edge(
            place, tmp_path / "pki", place.config(token_file=str(tmp_path / "token")), clock=TellingClock(place)
        )
        async with running(edge):
            await place.until(lambda: "the token cannot be read" in edge.core.state.reason)


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


async def test_an_operators_certificates_pass_though_pythons_strict_check_refuses_them(tmp_path):
    """Python 3.13 sets VERIFY_X509_STRICT by default; set by hand it is the same in every version."""
    operator = Operator(tmp_path)
    operator.issue(f"system:node:{NODE}", "node.pem", ExtendedKeyUsageOID.CLIENT_AUTH)
    identity = Identity(tmp_path, NODE, SystemClock())
    strict = identity.context()
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    tls = operator.server()
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=tls) as far:
        port = far.sockets[0].getsockname()[1]
        with pytest.raises(ssl.SSLCertVerificationError, match="Key Identifier"):
            await asyncio.open_connection("127.0.0.1", port, ssl=strict)
        for names in (False, True):
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=identity.context(verify_hostname=names))
            assert writer.get_extra_info("peercert")["subject"] == ((("commonName", "cloudcore"),),)
            writer.close()


async def test_what_is_relaxed_is_no_more_than_that(tmp_path):
    """Another CA's server, an edge's certificate in the server's place, and plain old TLS are refused as ever."""
    (tmp_path / "ours").mkdir()
    (tmp_path / "theirs").mkdir()
    ours, theirs = Operator(tmp_path / "ours"), Operator(tmp_path / "theirs")
    ours.issue(f"system:node:{NODE}", "node.pem", ExtendedKeyUsageOID.CLIENT_AUTH)
    edge = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    edge.load_cert_chain(ours.folder / "node.pem")
    identity = Identity(ours.folder, NODE, SystemClock())
    for context in (theirs.server(), edge):
        async with await asyncio.start_server(lambda _, w: w.close(), "127.0.0.1", 0, ssl=context) as far:
            port = far.sockets[0].getsockname()[1]
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.open_connection("127.0.0.1", port, ssl=identity.context())


async def test_the_certificate_is_renewed_in_time_with_itself_and_the_link_moves_to_it(options, tmp_path):
    async with world(options) as place:
        clock = LateClock()
        edge = Edge(place, tmp_path / "pki", place.config(), clock=clock)
        async with running(edge):
            await place.until(lambda: place.verdicts("keepalive"))
            before = (tmp_path / "pki" / "node.pem").read_bytes()
            clock.ahead = int(YEAR * 0.91)
            clock.set.set()
            await place.until(lambda: len(place.verdicts("keepalive")) == 2)
            assert edge.core.state.counters.links == 2
            assert edge.core.state.phase == "online"
            assert len(place.verdicts("certificate")) == 2
            assert (tmp_path / "pki" / "node.pem").read_bytes() != before


async def test_reports_go_on_while_short_lived_certificates_are_renewed_again_and_again(options, tmp_path, caplog):
    """Certificates of 3 s: each is renewed at 2.1 to 2.7 s, and nothing that is pushed meanwhile fails."""
    short = msgspec.structs.replace(options, certificate_life=3.0)
    async with world(short) as place, running(Edge(place, tmp_path / "pki", place.config())) as edge:
        place.cloud.cluster.apply(device("d1"))
        await place.until(lambda: edge.core.state.devices)
        number = 0
        while edge.core.state.counters.links < 3:
            number += 1
            edge.report("d1", mode=str(number))
            await place.until(lambda n=str(number): place.status("d1").get("mode") == n)
        assert edge.failures == []
        assert len(place.verdicts("certificate")) >= 3
        assert "cloud offline" not in caplog.text
        assert edge.joined() == ["default/d1"]


async def test_a_new_link_that_ends_with_the_older_one_is_made_again_at_once(options, tmp_path, caplog):
    async with world(options) as place:
        clock = LateClock()
        edge = Edge(place, tmp_path / "pki", place.config(), clock=clock)
        async with running(edge):
            place.cloud.cluster.apply(device("d1"))
            await place.until(lambda: edge.core.state.devices)
            place.cloud.start("both", 60.0)
            clock.ahead = int(YEAR * 0.91)
            clock.set.set()
            await place.until(lambda: edge.core.state.counters.links == 3)
            edge.report("d1", mode="auto")
            await place.until(lambda: place.status("d1") == {"mode": "auto"})
            assert edge.core.state.phase == "online"
        assert "cloud offline" not in caplog.text


async def test_a_renewal_that_finds_no_cloud_leaves_the_link_as_it_is(options, tmp_path):
    async with world(options) as place:
        clock = LateClock()
        edge = Edge(place, tmp_path / "pki", place.config(heartbeat=0.2), clock=clock)
        async with running(edge):
            await place.until(lambda: place.verdicts("keepalive"))
            place.cloud.start("refuse", 60.0)
            clock.ahead = int(YEAR * 0.91)
            clock.set.set()
            await place.until(lambda: len(place.verdicts("certificate")) == 2)
            beats = len(place.verdicts("keepalive"))
            await place.until(lambda: len(place.verdicts("keepalive")) > beats + 3)
            assert edge.core.state.counters.links == 1
            place.cloud.start("refuse", 0)
            await place.until(lambda: edge.core.state.counters.links == 2)


async def test_a_certificate_that_expired_under_a_living_link_is_replaced_with_the_token(options, tmp_path, caplog):
    async with world(options) as place:
        clock = LateClock()
        edge = Edge(place, tmp_path / "pki", place.config(), clock=clock)
        async with running(edge):
            await place.until(lambda: place.verdicts("keepalive"))
            clock.ahead = YEAR + 1_000_000
            clock.set.set()
            await place.until(lambda: len(place.verdicts("keepalive")) == 2)
        assert [line["tokened"] for line in place.verdicts("certificate")] == [True, True]
        assert "cloud offline" not in caplog.text
