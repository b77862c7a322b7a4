"""The ObjectSyncs: which version of which object each node has acknowledged. They outlive CloudCore."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct


class Synced(Struct):
    """An ObjectSync; version 0 means none acknowledged."""

    kind: str
    namespace: str
    name: str
    version: int = 0


class Syncs:
    """By node and uid, in a folder. Those of a node that is no object in the API are forgotten at the start."""

    def __init__(self, directory: Path, known: Callable[[str], bool]) -> None:
        self._directory = directory
        self._syncs: dict[tuple[str, str], Synced] = {}
        for path in sorted(directory.glob("*/*.json")):
            if known(path.parent.name):
                self._syncs[path.parent.name, path.stem] = msgspec.json.decode(path.read_bytes(), type=Synced)
            else:
                path.unlink()

    def __iter__(self) -> Iterator[tuple[tuple[str, str], Synced]]:
        return iter(list(self._syncs.items()))

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._syncs

    def begin(self, node: str, uid: str, kind: str, namespace: str, name: str) -> Synced:
        """The ObjectSync, made when it is not there."""
        found = self._syncs.get((node, uid))
        return found if found is not None else self._keep(node, uid, Synced(kind, namespace, name))

    def acknowledge(self, node: str, uid: str, version: int) -> None:
        sync = self._syncs.get((node, uid))
        if sync is not None and version > sync.version:
            sync.version = version
            self._keep(node, uid, sync)

    def end(self, node: str, uid: str) -> None:
        """The node has acknowledged that the object is gone."""
        if self._syncs.pop((node, uid), None) is not None:
            self._path(node, uid).unlink(missing_ok=True)

    def _keep(self, node: str, uid: str, sync: Synced) -> Synced:
        self._syncs[node, uid] = sync
        path = self._path(node, uid)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(sync))
        return sync

    def _path(self, node: str, uid: str) -> Path:
        return self._directory / node / f"{uid}.json"
