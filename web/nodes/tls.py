"""Mutual TLS between nodes that nobody vouches for: each knows the other by the fingerprint of its certificate.

A server asks for a certificate and OpenSSL checks it against those of the Node manifests, dates included. A client
checks fingerprint and dates itself once hands are shaken, before it says anything. Names are not looked at: addresses
change, fingerprints do not.
"""

from __future__ import annotations

import hmac
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path

from runtime.clock import Clock
from web.nodes.manifest import fingerprint


class _Handshake(ssl.SSLObject):
    """Tells its context how a handshake ended; what that raises is what it ends with."""

    def do_handshake(self) -> None:
        context = self.context
        assert isinstance(context, NodeContext)
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            context.failed(error)
            raise
        context.shaken(self.getpeercert(True) or b"")


class NodeContext(ssl.SSLContext):
    """TLS of 1.2 at least, with this node's certificate. `shaken` gets the other's certificate in DER."""

    sslobject_class = _Handshake
    failed: Callable[[ssl.SSLError], None]
    shaken: Callable[[bytes], None]


def serving(own: Path, known: Iterable[bytes], failed: Callable[[ssl.SSLError], None]) -> NodeContext:
    """Of the server: lets in who has one of these certificates (DER). `failed` hears of all others."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, own)
    context.verify_mode = ssl.CERT_REQUIRED
    # Certificates signed with themselves: they are their own anchors, whatever they may sign. Python >= 3.13 asks by
    # default for extensions that only authorities have.
    context.verify_flags = (context.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN) & ~ssl.VERIFY_X509_STRICT
    context.failed = failed
    context.shaken = lambda _: None
    for each in known:
        trust(context, each)
    return context


def trust(context: NodeContext, certificate: bytes) -> None:
    """Let this one in too, from the next connection on."""
    context.load_verify_locations(cadata=certificate)


def asking(own: Path, wanted: str, clock: Clock) -> NodeContext:
    """Of a client: speaks to the node of this fingerprint alone, and only while its certificate is valid."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT, own)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # what `_check` does instead
    context.failed = lambda _: None
    context.shaken = lambda der: _check(der, wanted, clock.now())
    return context


def _context(protocol: int, own: Path) -> NodeContext:
    context = NodeContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(own)
    return context


def _check(der: bytes, wanted: str, now: int) -> None:
    """Raises ssl.SSLCertVerificationError."""
    from cryptography import x509

    found = fingerprint(der)
    if not hmac.compare_digest(found, wanted):
        raise ssl.SSLCertVerificationError(f"its certificate is not the one of its manifest but {found}")
    certificate = x509.load_der_x509_certificate(der)
    since, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not since.timestamp() * 1e6 <= now <= until.timestamp() * 1e6:
        raise ssl.SSLCertVerificationError(f"its certificate is valid from {since:%Y-%m-%d} to {until:%Y-%m-%d} only")
