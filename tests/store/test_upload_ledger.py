"""The ledger of an upload: what is read of it is what is written, and a change costs the same however much it holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from store.uploads.ledger import Ledger, Sums
from store.uploads.work import Part


class Counting:
    """The journal, and how many steps SQLite took for the last transaction, in hundreds."""

    def __init__(self, journal: Any) -> None:
        self._journal = journal
        self.steps = 0

    async def transact(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        def counted(connection: sqlite3.Connection) -> Any:
            self.steps = 0
            connection.set_progress_handler(self._step, 100)
            try:
                return work(connection)
            finally:
                connection.set_progress_handler(None, 0)

        return await self._journal.transact(counted)

    def _step(self) -> None:
        self.steps += 1


def part(number: int, *, done: bool = False) -> Part:
    return Part(f"picture:{number:05}", number, number, "0123456789abcdef", done)


async def test_a_change_costs_the_same_however_much_went_before(tmp_path: Path, journal_at: Any) -> None:
    async with journal_at(tmp_path) as (journal, _):
        counting = Counting(journal)
        ledger = Ledger("default/all", counting, tmp_path)
        await ledger.open()
        await ledger.begin(part(0))
        few = counting.steps
        await ledger.replace([], [part(number, done=True) for number in range(1, 3000)], [])
        await ledger.begin(part(3000))
        assert counting.steps <= few + 3
        await ledger.finish(part(3000, done=True), Sums(objects=1, rows=1, bytes=10, at=5))
        assert counting.steps <= few + 3
        again = Ledger("default/all", journal, tmp_path)
        await again.open()
        assert again.parts == ledger.parts
        assert (len(again.parts), again.sums) == (3001, ledger.sums)
    async with journal_at(tmp_path) as (_, recovered):  # every checksum fits
        assert recovered.boot == 2
        assert not recovered.events
