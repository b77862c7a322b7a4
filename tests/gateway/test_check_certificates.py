from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.checks import files
from gateway.checks.finding import Finding, Subject
from gateway.config import parse

DAY = datetime.timedelta(days=1)


def write(folder: Path, *, start: float, end: float, fits: bool = True) -> Subject:
    """A configuration with a certificate valid from `start` to `end` days from now."""
    now = datetime.datetime.now(datetime.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "edge-1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now + start * DAY)
        .not_valid_after(now + end * DAY)
        .sign(key, hashes.SHA256())
    )
    kept = key if fits else ec.generate_private_key(ec.SECP256R1())
    (folder / "web.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "web.key").write_bytes(
        kept.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "web.key").chmod(0o600)
    return subject(folder)


def subject(folder: Path) -> Subject:
    config = parse('[web]\ncert_file = "web.crt"\nkey_file = "web.key"', where="x", folder=folder)
    return Subject(config, folder / "gateway.toml")


@pytest.mark.parametrize(
    ("start", "end", "fits", "verdict", "message"),
    [
        (-1, 90, True, "ok", "until 20"),
        (-90, -1, True, "failure", "expired on"),
        (1, 90, True, "failure", "is valid only from"),
        (-1, 7.5, True, "warning", "expires in 7 days"),
        (-1, 90, False, "failure", "is not the certificate of its key_file"),
    ],
)
def test_a_certificate_is_judged(
    tmp_path: Path, start: float, end: float, fits: bool, verdict: str, message: str
) -> None:
    (finding,) = files.certificates(write(tmp_path, start=start, end=end, fits=fits))
    assert finding.verdict == verdict
    assert message in finding.message


def test_a_file_that_is_no_certificate_is_told(tmp_path: Path) -> None:
    (tmp_path / "web.crt").write_text("hello")
    (finding,) = files.certificates(subject(tmp_path))
    assert finding.message.endswith("no PEM certificate in it")
    assert finding.fix.startswith("openssl req -x509")


def secret(folder: Path, content: str | None, mode: int = 0o600) -> Finding:
    if content is not None:
        (folder / "token").write_text(content)
        (folder / "token").chmod(mode)
    config = parse('[web]\ntoken_file = "token"', where="x", folder=folder)
    (finding,) = files.secrets(Subject(config, folder / "gateway.toml"))
    return finding


def test_secrets_are_there_and_for_nobody_else(tmp_path: Path) -> None:
    assert "No such file" in secret(tmp_path, None).message
    assert secret(tmp_path, "abc").verdict == "ok"
    assert secret(tmp_path, "").message.endswith("is empty")
    assert secret(tmp_path, "abc", 0o644).fix == f"chmod 600 {tmp_path / 'token'}"
