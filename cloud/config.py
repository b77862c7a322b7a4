"""What the link needs to know. Durations in seconds; the defaults suit KubeEdge v1.23."""

from __future__ import annotations

from urllib.parse import urlsplit

from msgspec import Struct

PROJECT = "e632aba927ea4ac2b575ec1603d56f10"
"""KubeEdge's fixed project id; CloudCore does not look at it."""


class CloudCoreConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Section `[cloud]` with `kind = "cloudcore"`."""

    url: str = "wss://127.0.0.1:10000"
    """CloudCore's websocket."""
    register_url: str = ""
    """Where it issues certificates; empty means the same host with port 10002."""
    token_file: str = ""
    """File with the bootstrap token; read until a certificate has been issued."""
    project: str = PROJECT
    verify_hostname: bool = False
    """CloudCore's certificate names only the addresses it was told to advertise, and edges reach it by others."""
    heartbeat: float = 15.0
    """Between two signs of life; CloudCore hangs up after 30 s without one."""
    connect: float = 15.0
    """Deadline for each HTTP request and for the websocket's handshake."""
    answer: float = 10.0
    """How long a report waits for its confirmation."""
    commit: float = 30.0
    """How long a change may take to be on our disk."""
    rate: float = 25.0
    """Reports a second; KubeEdge's own edge sends at most 30."""
    burst: int = 50
    """Reports at once."""
    rules: float = 6.0
    """How long after its start CloudCore may lack rules of its router."""
    backoff_first: float = 0.5
    backoff_limit: float = 5.0
    """Longest wait between two attempts; the wait itself is drawn between nothing and its bound."""

    @property
    def certificates_url(self) -> str:
        """Base URL of `/ca.crt` and `/edge.crt`."""
        return self.register_url.rstrip("/") or f"https://{urlsplit(self.url).hostname}:10002"
