"""Who this gateway is to others: a key and a certificate signed with itself, made at first need.

Nobody vouches for it: others take its fingerprint into a Node manifest. Imports cryptography when it is first used.
"""

from __future__ import annotations

import datetime
import os
import ssl
import threading
from pathlib import Path

from runtime.clock import Clock
from twins.errors import Rejected
from web.nodes.manifest import fingerprint

_DAYS = 3650
_SLACK = datetime.timedelta(days=1)
"""Another node's clock may be behind ours."""


class Identity:
    """Keeps `node.pem`, key and certificate together, in `folder`: a kill never leaves one without the other."""

    def __init__(self, folder: Path, name: str, clock: Clock) -> None:
        self.file = folder / "node.pem"
        self._name = name
        self._clock = clock
        self._making = threading.Lock()  # the door and the API may be first at once, in two threads

    @property
    def certificate(self) -> str:
        """The certificate in PEM. Raises Rejected for a file that can't be used."""
        with self._making:
            if not self.file.exists():
                self._make()
        text = self.file.read_text("ascii", "replace")
        begin = text.find("-----BEGIN CERTIFICATE-----")
        if begin < 0:
            raise Rejected(f"{self.file} has no certificate: remove it and a new one is made, with another fingerprint")
        return text[begin:]

    @property
    def fingerprint(self) -> str:
        return fingerprint(ssl.PEM_cert_to_DER_cert(self.certificate.strip()))

    def _make(self) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self._name[:64])])
        now = datetime.datetime.fromtimestamp(self._clock.now() // 1_000_000, datetime.UTC)
        uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SLACK)
            .not_valid_after(now + datetime.timedelta(days=_DAYS))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(self._name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(uses, critical=False)
            .sign(key, hashes.SHA256())
        )
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _write(self.file, secret + certificate.public_bytes(Encoding.PEM))


def _write(path: Path, data: bytes) -> None:
    """A whole file or none, for its owner alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
