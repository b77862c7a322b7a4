"""What the author of a driver writes: how one device is read and written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin

from twins.errors import Rejected, Unavailable

Scalar = bool | int | float | str | bytes
"""What a device's property can be."""

S = TypeVar("S")
V = TypeVar("V")


class Driver(ABC, Generic[S, V]):
    """One device. Its two types say what `spec.protocol.configData` and `visitors.configData` hold.

    Both are decoded by msgspec before the driver sees them: a struct with `forbid_unknown_fields=True` refuses what it
    does not know; a visitor's field `property` is the property's name where nothing else is said.

    Methods are never called at the same time, each has a deadline, and none may block the event loop. What one raises
    concerns this device alone: `Unavailable`, `OSError` and a missed deadline mean that the device is away (the driver
    is closed, and another one connects later), anything else that this one property failed.
    """

    protocol: ClassVar[str] = ""
    """The name in `spec.protocol.protocolName`; empty: the class's name in small letters."""
    settings_type: ClassVar[Any] = dict[str, Any]
    visitor_type: ClassVar[Any] = dict[str, Any]

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.protocol = cls.__dict__.get("protocol", cls.__name__.lower())
        for base in cls.__dict__.get("__orig_bases__", ()):
            if get_origin(base) is Driver:
                cls.settings_type, cls.visitor_type = get_args(base)

    def __init__(self, settings: S) -> None:
        self.settings = settings

    async def connect(self) -> None:
        """Reach the device; called once, before anything else."""

    async def close(self) -> None:
        """Let go of the device; called once, also when `connect` failed."""

    @abstractmethod
    async def read(self, visitor: V) -> Scalar:
        """The value of a property now."""

    async def write(self, visitor: V, value: Scalar) -> None:
        """Set a property; `value` has the type of its model and is within its bounds."""
        reason = f"{type(self).__name__} cannot be written"
        raise Rejected(reason)

    async def read_many(self, visitors: Mapping[str, V]) -> dict[str, Scalar | Rejected]:
        """Properties that are due together; one that fails is its `Rejected`. Override it to read them at once."""
        found: dict[str, Scalar | Rejected] = {}
        for name, visitor in visitors.items():
            try:
                found[name] = await self.read(visitor)
            except Exception as error:  # noqa: BLE001 - a driver's boundary: its other properties go on
                found[name] = rejected(error)
        return found

    async def state(self) -> str:
        """KubeEdge's state of the device while all is well."""
        return "online"


def rejected(error: Exception) -> Rejected:
    """An error of a driver as the failure of one property; raises `Unavailable` when the whole device is away."""
    match error:
        case Rejected():
            return error
        case Unavailable():
            raise error
        case TimeoutError():
            message = "no answer in time"
            raise Unavailable(message) from error
        case OSError() | EOFError():
            message = str(error) or type(error).__name__
            raise Unavailable(message) from error
    found = Rejected(f"{type(error).__name__}: {error}")
    found.__cause__ = error
    return found
