"""mosquitto: where it is, and the configuration that is generated for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from msgspec import Struct

CONFIGURATION = "mosquitto.conf"
"""Its name in the broker's folder."""
_HEADERS = 65_536
_PLUGIN = "mosquitto_dynamic_security.so"
_LIBRARIES = ("usr/lib/*", "usr/lib", "usr/local/lib")

_ONE_EACH = "use_username_as_clientid true"
"""Else one device could take the connection and the session of another, or the gateway's, by its client id."""
RELOADING = "Reloading config."
"""What mosquitto writes before it reads its files again; it does nothing else until it has."""
NO_LOGIN = "Client <unknown> disconnected, not authorised."
"""What it writes of a login that it refused."""
CHATTER = ("New connection from ", "New client connected from ", "Client ")
"""How the lines begin that it writes of every connection."""


class Settings(Struct, frozen=True):
    """How to run it. `users_file` and `rights_file` are mosquitto's own formats, added to what is generated.

    `tls` is a second address, for devices with a certificate, of which `names` is good for the broker's own. `strict`
    says that the gateway obeys whoever speaks as the cloud, so that no device may.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    anonymous: bool = False
    users_file: Path | None = None
    rights_file: Path | None = None
    max_inflight: int = 1000
    max_queued: int = 10_000
    max_message_bytes: int = 1_048_576
    tls: tuple[str, int] | None = None
    names: tuple[str, ...] = ()
    strict: bool = False


def find_mosquitto() -> str | None:
    """Where mosquitto is; it lives in sbin, which is not in everybody's PATH."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")


def find_plugin() -> Path | None:
    """Where mosquitto's dynamic security plugin is: it comes with it, and can end the connection of a certificate."""
    return next((path for folder in _LIBRARIES for path in Path("/").glob(f"{folder}/{_PLUGIN}")), None)


def configuration(settings: Settings, folder: Path, port: int) -> str:
    """The text of mosquitto.conf. Every limit is stated: its defaults are for another use."""
    lines = [
        f"listener {port} {settings.host}",
        "set_tcp_nodelay true",  # without it QoS 0 falls to a tenth, at 47 ms
        f"max_inflight_messages {settings.max_inflight}",
        f"max_queued_messages {settings.max_queued}",
        f"message_size_limit {settings.max_message_bytes}",
        f"max_packet_size {settings.max_message_bytes + _HEADERS}",
        "persistence true",
        f"persistence_location {folder}/",
        "persistence_file sessions.db",
        "persistent_client_expiration 14d",
        "autosave_interval 10",
        "connection_messages true",  # they tell of logins that were refused
        "log_dest stderr",
        "log_type information",
        "log_type error",
        "log_type warning",
        "log_type notice",
        f"allow_anonymous {str(settings.anonymous).lower()}",
    ]
    if not settings.anonymous:
        lines += [f"password_file {folder}/passwords", f"acl_file {folder}/rights", _ONE_EACH]
    if os.geteuid() == 0:
        lines.append("user root")  # else it becomes `mosquitto`, who may not read our files
    return "\n".join(lines) + "\n"


def encrypted(host: str, port: int, folder: Path, authority: Path, plugin: Path) -> str:
    """The part of mosquitto.conf for devices with a certificate, whose common name is the user."""
    lines = [
        f"plugin {plugin}",
        f"plugin_opt_config_file {folder}/security.json",
        f"listener {port} {host}",
        f"cafile {authority}/ca.pem",
        f"certfile {authority}/broker.pem",
        f"keyfile {authority}/broker.key",
        f"crlfile {folder}/revoked.pem",
        "tls_version tlsv1.2",
        "require_certificate true",
        "use_identity_as_username true",
        _ONE_EACH,
    ]
    return "\n".join(lines) + "\n"
