"""Which broker: how the one that the configuration names is reached, and how one of our own is set up."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlsplit

from devices.mqtt.broker import Settings
from devices.mqtt.link import LinkConfig
from gateway.config import Config, address
from gateway.sections import Broker
from twins.errors import Unavailable


def client_id(config: Config) -> str:
    """The gateway's at any broker."""
    return f"gemelo-{config.node.name}"


def settings(config: Config) -> Settings:
    """Those of a broker of our own."""
    section = config.broker
    host, port = address(section.listen) or ("127.0.0.1", 1883)
    return Settings(
        host,
        port,
        section.anonymous,
        section.users_file,
        section.rights_file,
        section.max_inflight,
        section.max_queued,
        section.max_message_bytes,
        address(section.tls_listen),
        _names(config),
        config.twins.compat == "strict",
    )


def foreign(config: Config) -> LinkConfig:
    """The broker that the configuration names. Raises `Unavailable` when a file it names cannot be used."""
    section = config.broker
    url = urlsplit(section.url)
    encrypted = url.scheme == "mqtts"
    port = url.port or (8883 if encrypted else 1883)
    try:
        password = section.password_file.read_text("utf-8").strip() if section.password_file else None
        tls = _tls(section) if encrypted else None
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "is not UTF-8"
        name = getattr(error, "filename", None) or section.password_file
        raise Unavailable(f"[broker] {name} cannot be used: {reason}; see password_file and ca_file") from None
    return LinkConfig(url.hostname or "127.0.0.1", port, client_id(config), section.user or None, password, tls)


def _tls(section: Broker) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=section.ca_file)
    if section.cert_file is not None:
        context.load_cert_chain(section.cert_file, section.key_file)
    return context


def _names(config: Config) -> tuple[str, ...]:
    """What the broker may be called by devices with a certificate."""
    host = (address(config.broker.tls_listen) or ("", 0))[0]
    own = [] if host in {"", "0.0.0.0", "::"} else [host]
    return (*own, *config.broker.tls_names, config.node.name, socket.gethostname(), "localhost", "127.0.0.1", "::1")
