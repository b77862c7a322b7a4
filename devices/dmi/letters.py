"""What a mapper is told of a device or a model: the message that holds now, and what a person has to know of it."""

from __future__ import annotations

from collections.abc import Callable

from devices.dmi.book import Book
from devices.dmi.convert import device_message, model_message
from devices.dmi.packing import Packing
from devices.dmi.route import Key
from devices.dmi.wanted import wanted
from devices.dmi.wire import dmi_pb2 as pb
from twins.errors import Rejected

Note = Callable[[str, str], None]
"""Tells a person: of which device, and what."""


class Letters:
    """Writes messages from the book. What it has to complain of is told once for as long as it stays the same."""

    def __init__(self, book: Book, note: Note, *, strict: bool) -> None:
        self._book = book
        self._note = note
        self._strict = strict
        self._noted: dict[str, list[str]] = {}

    def write(self, protocol: str, key: Key) -> pb.Device | pb.DeviceModel | None:
        """The message of now; `None` for what the mappers of this protocol do not serve.

        Raises `Rejected` for what can't be told as it is: it counts again when its manifest or model changes.
        """
        if not self._book.serves(protocol, key):
            self._complain(key.id, [])
            return None
        faults: list[str] = []
        packing = Packing(faults.append, strict=self._strict)
        try:
            if key.kind == "model":
                return model_message(self._book.model_named(key.id), packing)
            return self._device(key.id, packing, faults)
        except Rejected as error:
            faults.append(f"its mapper is not told of it: {error.reason}")
            raise
        finally:
            self._complain(key.id, faults)

    def _device(self, name: str, packing: Packing, faults: list[str]) -> pb.Device:
        device, named, model = self._book.found(name)
        if named and model is None:
            raise Rejected(f"its model {named} is not there; apply it")
        twin = self._book.twin(name)
        desired: dict[str, str] = {}
        if twin is not None:
            desired, unfit = wanted(twin, strict=self._strict)
            faults += unfit
        return device_message(device, model, desired, packing)

    def _complain(self, name: str, faults: list[str]) -> None:
        before = self._noted.pop(name, [])
        if faults:
            self._noted[name] = faults
        for fault in faults:
            if fault not in before:
                self._note(name, fault)
