"""The key of pseudonyms: made once for this gateway, and known to nobody else."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from twins.errors import Unavailable

FILE = "pseudonyms.key"
SIZE = 32


class Pseudonyms:
    """Gives the key in `folder`, made when it is first asked for. Who has it can try out names: it stays here."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def __call__(self) -> bytes:
        """Raises `Unavailable` when it can be neither read nor made: another key would give other pseudonyms."""
        try:
            if not self._path.exists():
                self._make()
            key = self._path.read_bytes()
        except OSError as error:
            raise Unavailable(f"{self._path}: no key for pseudonyms: {error.strerror}") from error
        if len(key) != SIZE:
            raise Unavailable(f"{self._path}: a key has {SIZE} bytes, this file {len(key)}: bring the old one back")
        return key

    def _make(self) -> None:
        made = self._path.with_suffix(".new")
        made.unlink(missing_ok=True)
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, secrets.token_bytes(SIZE))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        made.rename(self._path)
