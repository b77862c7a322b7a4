"""The gateway's own small certificate authority: certificates for devices, and the broker's.

EC P-256 throughout. A device's certificate says who it is in its common name, `namespace/name`; the broker takes that
as the user name. What is taken back stands in the list of revocations. Imported only where certificates are wanted.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from devices.mqtt.secret import write
from runtime.clock import Clock
from twins.errors import Rejected

DAYS = 1095
"""Days that a device's certificate holds; `gemelo device rotate` gives a new one."""
_OWN_DAYS = 3650
_SLACK = datetime.timedelta(days=1)
"""A device's clock may be behind ours."""
_COMMON_NAME = 64
"""RFC 5280: `ub-common-name`."""
_LEAST_RSA = 2048


class Issued(Struct, frozen=True):
    """A certificate in PEM, its key where we made it, its number and its end (µs)."""

    certificate: str
    key: str
    serial: str
    until: int


class Authority:
    """Keeps `ca.key`, `ca.pem`, `broker.key` and `broker.pem` in `folder`."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self._clock = clock
        self._key, self._certificate = self._own()

    @property
    def certificate(self) -> str:
        """The authority's certificate in PEM: what a device has to trust."""
        return _pem(self._certificate)

    def issue(self, device: str, request: str = "") -> Issued:
        """A certificate for a device; for the key of a request (PEM) if it sends one, else for a new key.

        Raises `Rejected` for a request that can't be used, and for an id that is too long for a certificate.
        """
        if len(device) > _COMMON_NAME:
            raise Rejected(f"{device} is longer than a certificate's {_COMMON_NAME} signs: use a password")
        key = None if request else ec.generate_private_key(ec.SECP256R1())
        public = key.public_key() if key is not None else _requested(request)
        certificate = self._signed(_builder(_name(device), public, self._now(), DAYS, ExtendedKeyUsageOID.CLIENT_AUTH))
        until = int(certificate.not_valid_after_utc.timestamp() * 1e6)
        return Issued(_pem(certificate), _key_pem(key) if key else "", f"{certificate.serial_number:x}", until)

    def serve(self, names: Iterable[str]) -> None:
        """Make the broker's own certificate, good for these names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name("broker"), key.public_key(), self._now(), _OWN_DAYS, ExtendedKeyUsageOID.SERVER_AUTH)
        known = x509.SubjectAlternativeName([_general(name) for name in sorted(set(names))])
        write(self.folder / "broker.key", _key_pem(key))
        write(self.folder / "broker.pem", _pem(self._signed(builder.add_extension(known, critical=False))))

    def revocations(self, revoked: Mapping[str, int]) -> str:
        """The list of revocations in PEM."""
        now = self._now()
        ends = now + datetime.timedelta(days=_OWN_DAYS)
        listed = x509.CertificateRevocationListBuilder().issuer_name(self._certificate.subject)
        listed = listed.last_update(now - _SLACK).next_update(ends)
        for serial in revoked:
            one = x509.RevokedCertificateBuilder().serial_number(int(serial, 16)).revocation_date(now)
            listed = listed.add_revoked_certificate(one.build())
        return listed.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    def _own(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        """The authority itself, made at its first use."""
        file, public = self.folder / "ca.key", self.folder / "ca.pem"
        try:
            key = load_pem_private_key(file.read_bytes(), None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)  # we wrote it
            return key, x509.load_pem_x509_certificate(public.read_bytes())
        except FileNotFoundError:
            pass
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        name, now = _name("authority of devices"), self._now()
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = _builder(name, key.public_key(), now, _OWN_DAYS, None).issuer_name(name)
        certificate = builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())
        write(public, _pem(certificate))
        write(file, _key_pem(key))  # last: with it the authority is whole
        return key, certificate

    def _signed(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        return builder.issuer_name(self._certificate.subject).sign(self._key, hashes.SHA256())

    def _now(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self._clock.now() // 1_000_000, datetime.UTC)


def _builder(
    name: x509.Name,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    now: datetime.datetime,
    days: int,
    use: x509.ObjectIdentifier | None,
) -> x509.CertificateBuilder:
    """A certificate for `use`; an authority's without."""
    builder = x509.CertificateBuilder().subject_name(name).public_key(key).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - _SLACK).not_valid_after(now + datetime.timedelta(days=days))
    path = 0 if use is None else None
    builder = builder.add_extension(x509.BasicConstraints(ca=use is None, path_length=path), critical=True)
    return builder if use is None else builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)


def _requested(request: str) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    """The public key of a signing request; its subject is not looked at: the code says who asks."""
    try:
        asked = x509.load_pem_x509_csr(request.encode())
        key = asked.public_key()
    except ValueError as error:
        raise Rejected(f"the signing request cannot be read: {error}; send PEM") from None
    if not asked.is_signature_valid:
        raise Rejected("the signing request is not signed by its own key")
    if isinstance(key, ec.EllipticCurvePublicKey) or (isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA):
        return key
    raise Rejected(f"the signing request's key is neither of an elliptic curve nor RSA of {_LEAST_RSA} bits")


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
