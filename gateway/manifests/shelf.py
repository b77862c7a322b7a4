"""Manifests in files that the configuration names, applied at each start and reload."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from gateway.manifests.documents import documents_of, files_of, in_order
from gateway.manifests.registry import Registry
from twins.errors import Rejected

logger = logging.getLogger(__name__)


async def apply(paths: tuple[Path, ...], registry: Registry) -> None:
    """Apply what is in these files and folders; a bad manifest is told and left out."""
    for path in paths:
        for where, data in in_order(list(_documents(path))):
            try:
                logger.info("%s", await registry.apply(data, where))
            except Rejected as error:
                logger.warning("not applied: %s", error)
            except TimeoutError:
                logger.warning("not applied yet: %s: the store is behind; it follows by itself", where)


def _documents(path: Path) -> Iterator[tuple[str, object]]:
    """Manifests of a file or of a folder's files; what can't be read is told and left out."""
    for file in files_of(path):
        try:
            yield from documents_of(file.read_bytes(), file.name)
        except Rejected as error:
            logger.warning("not applied: %s", error)
        except OSError as error:
            logger.warning("not applied: %s cannot be read: %s", file, error.strerror)
