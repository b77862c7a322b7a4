"""The certificate authority and its tokens, with the fields of CloudCore's own certificates."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class Refused(Exception):
    """A token or a request for a certificate is not good; `status` is the HTTP answer."""

    def __init__(self, reason: str, status: int = 401) -> None:
        super().__init__(reason)
        self.status = status


class Authority:
    """A CA in a folder: made once, then found again."""

    def __init__(self, directory: Path, host: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._key = _key(directory / "ca.key")
        self._certificate = self._root(directory / "ca.crt")
        self._server(host)

    @property
    def der(self) -> bytes:
        """The CA certificate, as `GET /ca.crt` gives it."""
        return self._certificate.public_bytes(Encoding.DER)

    def token(self, life: float) -> str:
        """`<sha256 of the CA's DER>.<JWT>`, good for `life` seconds."""
        head = _base64(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        body = _base64(json.dumps({"exp": int(time.time() + life)}).encode())
        signature = _base64(self._signature(f"{head}.{body}"))
        return f"{hashlib.sha256(self.der).hexdigest()}.{head}.{body}.{signature}"

    def check(self, jwt: str) -> None:
        """Raise `Refused` unless the JWT is ours and lives."""
        if reason := self._fault(jwt):
            message = f"token validation failure, {reason}"
            raise Refused(message)

    def sign(self, request: bytes, node: str, life: float) -> bytes:
        """The certificate (DER) of node `node` for its certificate request (DER)."""
        try:
            csr = x509.load_der_x509_csr(request)
        except ValueError as error:
            reason = f"failed to parse the certificate request: {error}"
            raise Refused(reason, 500) from error
        names = csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if not names or names[0].value != f"system:node:{node}":
            reason = f"the request's common name is not system:node:{node}"
            raise Refused(reason, 500)
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
                x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
            ]
        )
        builder = self._leaf(subject, csr.public_key(), life, ExtendedKeyUsageOID.CLIENT_AUTH)  # type: ignore[arg-type]
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.DER)

    def context(self, *, mutual: bool) -> ssl.SSLContext:
        """TLS >= 1.2 of a door; a client certificate is demanded, or only checked when there is one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._directory / "server.crt", self._directory / "server.key")
        context.load_verify_locations(self._directory / "ca.crt")
        context.verify_mode = ssl.CERT_REQUIRED if mutual else ssl.CERT_OPTIONAL
        return context

    def _fault(self, jwt: str) -> str:
        if not jwt:
            return "token is empty"
        parts = jwt.split(".")
        if len(parts) != 3:
            return "err: token is malformed: token contains an invalid number of segments"
        if not hmac.compare_digest(_base64(self._signature(f"{parts[0]}.{parts[1]}")), parts[2]):
            return "err: token signature is invalid: signature is invalid"
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return "" if claims["exp"] > time.time() else "err: token has invalid claims: token is expired"

    def _signature(self, text: str) -> bytes:
        # Signed with the CA's private key (SEC1 DER) as a shared secret: so does CloudCore.
        secret = self._key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        return hmac.new(secret, text.encode(), hashlib.sha256).digest()

    def _root(self, path: Path) -> x509.Certificate:
        if path.exists():
            return x509.load_pem_x509_certificate(path.read_bytes())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "KubeEdge")])
        now = datetime.now(UTC)
        root = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1024)
            .not_valid_before(now)
            .not_valid_after(now + timedelta(days=36400))
            .add_extension(_usage(sign=True), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        path.write_bytes(root.public_bytes(Encoding.PEM))
        return root

    def _server(self, host: str) -> None:
        path = self._directory / "server.crt"
        if path.exists():
            return
        key = _key(self._directory / "server.key")
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "KubeEdge"),
                x509.NameAttribute(NameOID.COMMON_NAME, "KubeEdge"),
            ]
        )
        addresses = [x509.IPAddress(ipaddress.ip_address(a)) for a in {"127.0.0.1", "::1", host} if _numeric(a)]
        names = x509.SubjectAlternativeName([x509.DNSName("localhost"), *addresses])
        builder = self._leaf(subject, key.public_key(), 365 * 24 * 3600.0, ExtendedKeyUsageOID.SERVER_AUTH)
        certificate = builder.add_extension(names, critical=False).sign(self._key, hashes.SHA256())
        path.write_bytes(certificate.public_bytes(Encoding.PEM))

    def _leaf(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, life: float, usage: x509.ObjectIdentifier
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number() >> 96)
            .not_valid_before(now)
            .not_valid_after(now + timedelta(seconds=life))
            .add_extension(_usage(sign=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    if path.exists():
        key = load_pem_private_key(path.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key
    made = ec.generate_private_key(ec.SECP256R1())
    path.touch(mode=0o600)
    path.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    return made


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _numeric(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
