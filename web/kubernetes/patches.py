"""The two kinds of patches that Kubernetes takes for custom resources: JSON merge patch and JSON patch. Pure."""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from web.kubernetes.status import Failure

MERGE = "application/merge-patch+json"
STEPS = "application/json-patch+json"
OPERATIONS = 1000
COPIES = 4
"""Operations `copy` in one patch: each may double the object."""


def patched(data: dict[str, Any], patch: bytes, kind: str) -> dict[str, Any]:
    """The object after a patch of a content type. Raises `Failure`: 415 for another type, 422 for one that fails."""
    if kind not in (MERGE, STEPS):
        raise Failure(415, f"patches of the type {kind[:80]} are not taken; send {MERGE} or {STEPS}")
    read = msgspec.json.decode(patch)
    found = merged(data, read) if kind == MERGE else _stepped(data, read)
    if not isinstance(found, dict):
        raise Failure(422, "the patch leaves no object")
    return found


def merged(target: Any, patch: Any) -> Any:
    """RFC 7396: objects are merged, `null` deletes, all else is replaced."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _stepped(data: dict[str, Any], steps: Any) -> Any:
    """RFC 6902."""
    from jsonpatch import JsonPatch, JsonPatchException
    from jsonpointer import JsonPointerException

    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise Failure(400, "a JSON patch is a list of operations")
    if len(steps) > OPERATIONS or sum(step.get("op") == "copy" for step in steps) > COPIES:
        raise Failure(413, f"a JSON patch has at most {OPERATIONS} operations, {COPIES} of them copies")
    try:
        return JsonPatch(steps).apply(copy.deepcopy(data), in_place=True)
    except (JsonPatchException, JsonPointerException, TypeError) as error:  # TypeError: a path through a scalar
        raise Failure(422, f"the patch does not fit the object: {error}") from error
