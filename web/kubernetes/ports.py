"""What the edge API needs of the rest of the gateway."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol


class Objects(Protocol):
    """Kubernetes' objects of this node by kind and `namespace/name`; all but `write` and `delete` from memory."""

    def names(self, kind: str) -> Iterable[str]: ...

    def read(self, kind: str, name: str) -> dict[str, Any] | None:
        """An object as it is now, but for its resourceVersion; `None` when there is none."""
        ...

    def schema(self, kind: str) -> dict[str, Any]:
        """JSON Schema; what it refers to stands under `$defs`."""
        ...

    async def write(self, manifest: dict[str, Any], *, dry: bool = False) -> None:
        """Apply an object; with `dry` only say whether it could be. Returns after the commit.

        Raises `Rejected`: 400 for one that is not valid, 403 for what only the cloud may change.
        """
        ...

    async def delete(self, kind: str, name: str) -> None:
        """Raises `Rejected`: 403 for what the cloud manages, 404 for what is not there."""
        ...
