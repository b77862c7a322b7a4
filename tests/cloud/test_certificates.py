"""Faults of certificates, a gateway process between: one that expired, one of another authority on either side."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import load_der_x509_certificate

from cloud.identity import make_request
from simulator.cloudcore.authority import Authority
from simulator.cloudcore.options import Options
from simulator.cloudcore.server import serve
from tests.cloud.scene import scene
from tests.cloud.stage import NODE
from tests.cloud.standin import StandIn


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_certificate_that_expired_while_the_cloud_was_away(options: Options, tmp_path: Path) -> None:
    """Nobody could renew it: the node joins anew, with its token."""
    async with scene(tmp_path, StandIn(msgspec.structs.replace(options, certificate_life=8.0))) as one:
        one.far.certificates.cut()
        one.far.link.cut()
        issued = one.far.cloud.record.counts["certificate"]
        await one.go_on(9.0)
        one.far.certificates.mend()
        one.far.link.mend()
        await one.linked()
        print(f"equal {await one.settle():.2f} s after the link")
        await one.check()
        assert one.far.cloud.record.counts["certificate"] > issued


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_wrong_certificate_of_the_node_and_one_of_the_cloud(options: Options, tmp_path: Path) -> None:
    async with scene(tmp_path, StandIn(options)) as one:
        own = tmp_path / "gateway/data/cloud/node.pem"
        right = own.read_bytes()
        assert one.gateway.stop() == 0
        own.write_bytes(_foreign(tmp_path / "other"))
        links = one.far.cloud.record.counts["connected"]
        await one.start_gateway()
        await one.go_on(3.0)
        one.gateway.logged("cloud offline: ")
        assert one.far.cloud.record.counts["connected"] == links, "the cloud took a certificate of another authority"

        await one.far.stop()
        own.write_bytes(right)
        ours, theirs = one.far.options, tmp_path / "impostor"
        theirs.mkdir()
        one.far.options = msgspec.structs.replace(ours, data=theirs)
        async with serve(one.far.options) as impostor:
            await one.go_on(3.0)
            assert impostor.record.counts == {}, "a cloud of another authority heard something"
        one.far.options = ours
        await one.far.start()
        await one.linked()
        print(f"equal {await one.settle():.2f} s after the link")
        await one.check()


def _foreign(folder: Path) -> bytes:
    """A certificate for this node, of an authority that is not the cloud's."""
    key, request = make_request(NODE)
    der = Authority(folder, "127.0.0.1").sign(request, NODE, 3600.0)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return secret + load_der_x509_certificate(der).public_bytes(Encoding.PEM)
