"""What the link to a broker in the cloud needs to know. Durations in seconds."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

from twins.errors import Unavailable

RATE = 200.0
BACKOFF = 4.0


class MqttConfig(Struct, frozen=True):
    """Section `[cloud]` with `kind = "mqtt"`, and the node's name."""

    node: str
    url: str
    protocol: Literal["5", "3.1.1"] = "5"
    topic: str = "gemelo"
    """What all topics begin with; the node's name follows."""
    user: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    events: bool = False
    """Whether events and decisions of rules go up too."""
    heartbeat: float = 15.0
    """Between two signs of life; the broker gives us up after half as much again without one."""
    connect: float = 10.0
    answer: float = 10.0
    """How long the broker may confirm nothing at first; one that is far away gets more time."""
    rate: float = RATE
    """Reports a second in the long run."""
    burst: int | None = None
    """Reports at once; absent: as many as in two seconds."""
    calm: float = 1.0
    """Between two lists of devices."""
    session_expiry: int = 30 * 86_400
    """How long the broker keeps messages for us while we are away, if it speaks MQTT 5."""
    backoff_first: float = 0.5
    backoff_limit: float = BACKOFF
    """Longest wait between two attempts; the wait itself is drawn between nothing and its bound."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        url = urlsplit(self.url)
        return url.hostname or "127.0.0.1", url.port or (8883 if self.is_encrypted else 1883)

    @property
    def is_encrypted(self) -> bool:
        return urlsplit(self.url).scheme == "mqtts"

    @property
    def client_id(self) -> str:
        return f"gemelo-{self.node}"

    def password(self) -> str | None:
        """Read anew at each connection, as `tls` is, so that a new one counts; `Unavailable` when it can't be read."""
        try:
            return self.password_file.read_text("utf-8").strip() if self.password_file else None
        except (OSError, UnicodeDecodeError) as error:
            raise Unavailable(f"[cloud] password_file cannot be read: {error}") from None

    def tls(self) -> ssl.SSLContext | None:
        """TLS 1.2 or newer; `Unavailable` when a file can't be used."""
        if not self.is_encrypted:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except OSError as error:
            reason = f"[cloud] {self.cert_file or self.ca_file} cannot be used: {error.strerror or error}"
            raise Unavailable(f"{reason}; see ca_file, cert_file and key_file") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context
