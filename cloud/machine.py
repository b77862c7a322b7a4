"""What this machine is, for its Node."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping

from cloud.node import Facts

_ARCH = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm"}
"""Go's words."""


def facts(name: str, version: str, labels: Mapping[str, str]) -> Facts:
    """As the system tells it; empty or 0 what it does not tell."""
    try:
        image = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        image = ""
    return Facts(
        name=name,
        version=version,
        labels=dict(labels),
        arch=_ARCH.get(platform.machine(), platform.machine()),
        kernel=platform.release(),
        image=image,
        cores=os.cpu_count() or 0,
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    )
