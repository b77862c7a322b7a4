"""Who this node is to CloudCore: a certificate for its key, got with a token and renewed with itself.

Joining: `GET /ca.crt` over unverified TLS, whose SHA-256 must be the token's first part before anything secret
is said; then `GET /edge.crt` over TLS verified against that CA, with a certificate request as the body.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import ssl
from pathlib import Path

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from msgspec import Struct

from runtime.clock import Clock
from twins.errors import Rejected, Unavailable

logger = logging.getLogger(__name__)

_MAX_BODY = 1 << 20
_TOKEN = re.compile(r"([0-9a-f]{64})\.([\w-]+\.[\w-]+\.[\w-]+)")


class Token(Struct, frozen=True):
    """A bootstrap token, taken apart: what the CA must be, and the secret to show it."""

    ca_sha256: str
    jwt: str


class Validity(Struct, frozen=True):
    """When a certificate is good; microseconds UTC."""

    not_before: int
    not_after: int

    def due(self, part: float) -> int:
        """When to renew: at 70 % of its life, and up to 90 % as `part` goes from 0 to 1, so that nodes spread."""
        return self.not_before + int((self.not_after - self.not_before) * (0.7 + 0.2 * part))


def parse_token(text: str) -> Token:
    """Take a token apart; raise `Rejected` when it is none."""
    match = _TOKEN.fullmatch(text.strip())
    if match is None:
        reason = "the token is not <sha256 of the CA>.<JWT of three parts>; get one with: keadm gettoken"
        raise Rejected(reason)
    return Token(match[1], match[2])


class Identity:
    """The certificate of `node` in a directory: `ca.pem`, and `node.pem` with key and certificate together.

    One file for both, replaced in one rename: a kill can never leave a key without its certificate. What can't be
    stored, as the disk is full, is `Unavailable`.
    """

    def __init__(self, directory: Path, node: str, clock: Clock, timeout: float = 15.0) -> None:
        self.node = node
        self._ca = directory / "ca.pem"
        self._own = directory / "node.pem"
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._storing = asyncio.Lock()
        self.valid: Validity | None = None
        """Of the certificate in use, once loaded."""

    def load(self) -> Validity | None:
        """Look at the stored certificate; `None` when there is none, it has expired, or it names another node.

        Raises `Unavailable` when it may not be read.
        """
        self.valid = None
        try:
            if not (self._ca.exists() and self._own.exists()):
                return None
            certificate = x509.load_pem_x509_certificate(self._own.read_bytes())
            self.context()
        except (ValueError, ssl.SSLError) as error:
            logger.warning("the certificate in %s is damaged and will be replaced: %s", self._own.parent, error)
            return None
        except OSError as error:
            reason = f"the certificate cannot be read: {error}; the gateway's user must be able to read and replace it"
            raise Unavailable(reason) from error
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        valid = _validity(certificate)
        if names and names[0].value == f"system:node:{self.node}" and self._clock.now() < valid.not_after:
            self.valid = valid
        return self.valid

    async def join(self, url: str, token: str) -> None:
        """Get a certificate for a token. Raises `Rejected` (bad token, wrong CA) or `Unavailable`."""
        parsed = parse_token(token)
        ca = await self._get(f"{url}/ca.crt", False)
        found = hashlib.sha256(ca).hexdigest()
        if found != parsed.ca_sha256:
            reason = f"{url} shows a CA with SHA-256 {found}, the token says {parsed.ca_sha256}: nothing was sent to it"
            raise Rejected(reason)
        pem = _certificate(ca).public_bytes(Encoding.PEM)
        key, request = await asyncio.to_thread(make_request, self.node)
        context = ssl.create_default_context(cadata=pem.decode())
        _relax(context, verify_hostname=False)
        headers = {"Authorization": f"Bearer {parsed.jwt}", "NodeName": self.node}
        certificate = await self._get(f"{url}/edge.crt", context, headers, request)
        await self._keep(key, certificate, pem)

    async def renew(self, url: str) -> None:
        """Get the next certificate, vouched for by the present one. Raises as `join`."""
        key, request = await asyncio.to_thread(make_request, self.node)
        try:
            context = self.context()
        except OSError as error:
            raise Unavailable(f"the certificate to be renewed cannot be read: {error}") from error
        certificate = await self._get(f"{url}/edge.crt", context, {"NodeName": self.node}, request)
        await self._keep(key, certificate, None)

    def context(self, *, verify_hostname: bool = False) -> ssl.SSLContext:
        """Mutual TLS >= 1.2, trusting this cloud's CA alone."""
        context = ssl.create_default_context(cafile=str(self._ca))
        context.load_cert_chain(self._own)
        _relax(context, verify_hostname=verify_hostname)
        return context

    async def _get(
        self, url: str, context: ssl.SSLContext | bool, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> bytes:
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout) as http,
                http.get(url, ssl=context, headers=headers, data=body or None, allow_redirects=False) as answer,
            ):
                data = await _body(answer)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
            reason = f"no answer from {url}: {cause or type(error).__name__}"
            raise Unavailable(reason) from error
        if answer.status == 200:
            return data
        reason = f"{url} answered {answer.status}: {data[:300].decode(errors='replace').strip()}"
        if answer.status == 401:
            reason += "; tokens live a day or so: get a fresh one with keadm gettoken"
            raise Rejected(reason, 401)
        raise Unavailable(reason)

    async def _keep(self, key: ec.EllipticCurvePrivateKey, der: bytes, ca: bytes | None) -> None:
        async with self._storing:  # a link that is made anew may join while the renewal does
            await asyncio.to_thread(self._store, key, der, ca)

    def _store(self, key: ec.EllipticCurvePrivateKey, der: bytes, ca: bytes | None) -> None:
        certificate = _certificate(der)
        if certificate.public_key() != key.public_key():
            reason = "the cloud's certificate is for another key than ours"
            raise Rejected(reason)
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        try:
            if ca is not None:
                _write(self._ca, ca)
            _write(self._own, secret + certificate.public_bytes(Encoding.PEM))
        except OSError as error:
            raise Unavailable(f"the certificate cannot be stored: {error}") from error
        self.valid = _validity(certificate)


def make_request(node: str) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """A new P-256 key and the request (DER) for its certificate, with the subject KubeEdge's edge uses."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "Zhejiang"),
            x509.NameAttribute(NameOID.LOCALITY_NAME, "Hangzhou"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return key, request.public_bytes(Encoding.DER)


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    """Whole, in however many pieces it comes; cut off behind what a certificate can be."""
    data = b""
    while len(data) < _MAX_BODY and (piece := await answer.content.read(_MAX_BODY - len(data))):
        data += piece
    return data


def _certificate(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError as error:
        reason = f"what the cloud gave is no certificate: {error}"
        raise Rejected(reason) from error


def _relax(context: ssl.SSLContext, *, verify_hostname: bool) -> None:
    """What is less than Python's default, and why it is safe here."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # CloudCore's certificate names the addresses it was told to advertise; behind a NAT or a load balancer the edge
    # uses others. The CA signs for this cloud only, and OpenSSL demands the server-auth usage: the certificate of
    # another edge won't do, unless its owner had a token and asked for that usage. `verify_hostname` closes this too.
    context.check_hostname = verify_hostname
    # Python >= 3.13 sets this by default. CloudCore's own certificates pass it; those of an operator's CA made with
    # openssl x509 -req (KubeEdge's certgen.sh) carry no authority key identifier and would be refused.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT


def _validity(certificate: x509.Certificate) -> Validity:
    before, after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return Validity(int(before.timestamp() * 1e6), int(after.timestamp() * 1e6))


def _write(path: Path, data: bytes) -> None:
    """Replace a file whole, readable by its owner alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
