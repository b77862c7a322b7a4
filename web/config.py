"""The `[web]` section."""

from __future__ import annotations

import ipaddress
import ssl
from urllib.parse import urlsplit

from msgspec import Struct

from twins.errors import Rejected

TOKEN_MINIMUM = 16


class WebConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the page listens and what it allows.

    `listen` is `host:port`; port 0 takes a free one. `hosts` are further names by which browsers may call this
    gateway (loopback names are always allowed; addresses too when it listens beyond loopback). `token` is the secret
    itself: the gateway fills it in from a file or a credential, so that it stands in no configuration file.
    `certificate` and `key` are PEM files; with them the page speaks HTTPS. Beyond loopback both token and TLS are
    needed; `behind_tls_proxy` says that a proxy in front ends TLS, and that nobody else reaches the address.
    `viewers` bounds live connections, `body_limit` is in bytes, `deadline` in seconds. An answer in SQL has at most
    `rows` rows, and its asker may wait up to `sql_deadline` seconds.
    `says` is what `listen` is called in the file, for messages.
    """

    listen: str = "127.0.0.1:8080"
    hosts: tuple[str, ...] = ()
    token: str = ""
    certificate: str = ""
    key: str = ""
    behind_tls_proxy: bool = False
    viewers: int = 32
    body_limit: int = 1_048_576
    deadline: float = 10.0
    rows: int = 1_000_000
    sql_deadline: float = 60.0
    says: str = "web.listen"

    def endpoint(self) -> tuple[str, int]:
        """`listen` as host and port. Raises Rejected when it is neither, or open to the network without a lock."""
        try:
            parts = urlsplit(f"//{self.listen}")
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            reason = f'{self.says} = "{self.listen}": {error}; write host:port, for example "127.0.0.1:8080"'
            raise Rejected(reason) from error
        if not host or port is None:
            reason = (
                f'{self.says} = "{self.listen}" lacks a host or a port; write host:port, for example "127.0.0.1:8080"'
            )
            raise Rejected(reason)
        if not self.token and not loopback(host):
            reason = (
                f'{self.says} = "{self.listen}" can be reached from the network, and no token is set: '
                "put one into a file and name it with token_file, or listen on 127.0.0.1"
            )
            raise Rejected(reason)
        if not self.certificate and not self.behind_tls_proxy and not loopback(host):
            reason = (
                f'{self.says} = "{self.listen}" can be reached from the network, and no certificate is set: everybody '
                "on the way could read the token; set cert_file and key_file, or behind_tls_proxy = true when a proxy "
                "in front ends TLS, or listen on 127.0.0.1"
            )
            raise Rejected(reason)
        if self.token and len(self.token) < TOKEN_MINIMUM:
            reason = f"the web token has {len(self.token)} characters; take at least {TOKEN_MINIMUM} random ones"
            raise Rejected(reason)
        return host, port

    def tls(self) -> ssl.SSLContext | None:
        """The server's TLS, if a certificate is configured. Raises Rejected when its files cannot be used."""
        if not self.certificate:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.certificate, self.key or None)
        except (OSError, ssl.SSLError) as error:
            reason = (
                f'web.cert_file = "{self.certificate}", web.key_file = "{self.key}": {error}; '
                "both must be PEM files that belong together and that the gateway may read"
            )
            raise Rejected(reason) from error
        return context


def loopback(host: str) -> bool:
    """True for `localhost` and loopback addresses."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
