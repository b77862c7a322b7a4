"""What the fields of a struct mean: the string under each field, which Python itself does not keep."""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from types import ModuleType

from msgspec import Struct


def texts(struct: type[Struct]) -> dict[str, str]:
    """Field (as Python names it) → its text, on one line; those of the struct's bases too."""
    found: dict[str, str] = {}
    for base in reversed(struct.__mro__):
        if issubclass(base, Struct) and base is not Struct:
            found |= _of_module(sys.modules[base.__module__]).get(base.__name__, {})
    return found


@cache
def _of_module(module: ModuleType) -> dict[str, dict[str, str]]:
    """Struct → field → text, of a module's source."""
    found: dict[str, dict[str, str]] = {}
    for struct in ast.parse(inspect.getsource(module)).body:
        if not isinstance(struct, ast.ClassDef):
            continue
        said = found.setdefault(struct.name, {})
        for field, text in zip(struct.body, struct.body[1:], strict=False):
            match field, text:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(words))),
                ):
                    said[name] = " ".join(words.split())
    return found
