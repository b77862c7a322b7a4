"""mosquitto: where it is, and the configuration that is generated for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from msgspec import Struct

_HEADERS = 65_536


class Settings(Struct, frozen=True):
    """How to run it. `users_file` and `rights_file` are mosquitto's own formats, added to what is generated."""

    host: str = "127.0.0.1"
    port: int = 1883
    anonymous: bool = False
    users_file: Path | None = None
    rights_file: Path | None = None
    max_inflight: int = 1000
    max_queued: int = 10_000
    max_message_bytes: int = 1_048_576


def find_mosquitto() -> str | None:
    """Where mosquitto is; it lives in sbin, which is not in everybody's PATH."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")


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
        "connection_messages false",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        f"allow_anonymous {str(settings.anonymous).lower()}",
    ]
    if not settings.anonymous:
        lines += [f"password_file {folder}/passwords", f"acl_file {folder}/rights"]
    if os.geteuid() == 0:
        lines.append("user root")  # else it becomes `mosquitto`, who may not read our files
    return "\n".join(lines) + "\n"
