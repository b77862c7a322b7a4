from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from devices.mqtt.authority import Authority
from runtime.clock import SystemClock
from twins.errors import Rejected

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority", SystemClock())


def request(key: Key) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody else")])
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    signed = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, algorithm)
    return signed.public_bytes(Encoding.PEM).decode()


def test_a_certificate_names_its_device_and_is_signed_by_the_authority(authority: Authority) -> None:
    issued = authority.issue("plant/pump")
    certificate = x509.load_pem_x509_certificate(issued.certificate.encode())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate.encode()))
    assert [a.value for a in certificate.subject] == ["plant/pump"]
    assert f"{certificate.serial_number:x}" == issued.serial
    key = load_pem_private_key(issued.key.encode(), None)
    assert key.public_key() == certificate.public_key()


def test_the_authority_is_the_same_after_a_start_and_its_files_are_its_own(authority: Authority) -> None:
    again = Authority(authority.folder, SystemClock())
    assert again.certificate == authority.certificate
    assert (authority.folder / "ca.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)])
def test_a_device_that_made_its_own_key_keeps_it_and_cannot_choose_its_name(authority: Authority, key: Key) -> None:
    issued = authority.issue("plant/pump", request(key))
    certificate = x509.load_pem_x509_certificate(issued.certificate.encode())
    assert issued.key == ""
    assert certificate.public_key() == key.public_key()
    assert [a.value for a in certificate.subject] == ["plant/pump"]


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", request(ed25519.Ed25519PrivateKey.generate()), request(rsa.generate_private_key(65537, 1024))],
)
def test_a_request_that_cannot_be_used_is_refused(authority: Authority, text: str) -> None:
    with pytest.raises(Rejected, match="signing request"):
        authority.issue("plant/pump", text or " ")


def test_an_id_too_long_for_a_certificate_is_told_so(authority: Authority) -> None:
    with pytest.raises(Rejected, match="use a password"):
        authority.issue("plant/" + "x" * 60)
