"""Decisions are kept in the commit that they are made in, and no more of them than there is room for."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pytest

from store import decisions, doctor, records
from store.decisions import Ring
from store.journal import Journal
from store.policies import Policies
from store.retention import Retention
from store.segment import KINDS
from tests.store.clocks import Still
from twins.exchange import Batch, Decision


def decided(number: int, *, body: str = "{}", asked: str = "", source: str = "default/t-1/t") -> Decision:
    return Decision(number, f"mqtt:1:{number}", "default/rule", "key", source, "hot", "A", "B", asked, body)


async def write(journal: Journal, numbers: range, **how: Any) -> None:
    """Twenty in a commit."""
    for start in numbers[::20]:
        batch = Batch(decisions=[decided(number, **how) for number in numbers if start <= number < start + 20])
        await journal.committed(journal.append(batch))


def kept(connection: Connection) -> list[int]:
    return [at for (at,) in connection.execute("SELECT at FROM decisions ORDER BY id")]


async def test_decisions_are_read_back_in_order_after_a_restart(tmp_path: Path, journal_at: Any) -> None:
    async with journal_at(tmp_path) as (journal, _):
        await write(journal, range(50))
    async with journal_at(tmp_path) as (journal, recovered):
        assert recovered.decisions == [decided(number) for number in range(50)]
        await write(journal, range(50, 60))
        assert await journal.transact(kept) == list(range(60))
    assert doctor.examine(tmp_path).sound


@pytest.mark.parametrize("ring", [lambda: Ring(100), lambda: Ring(room=100 * 50)])
async def test_the_oldest_go_when_there_are_too_many_or_too_large(tmp_path: Path, journal_at: Any, ring: Any) -> None:
    body = '{"x":"' + "é" * 21 + '"}'  # 50 bytes
    async with journal_at(tmp_path, ring=ring()) as (journal, _):
        await write(journal, range(1000), body=body)
        found = await journal.transact(kept)
        assert found[-1] == 999
        assert 80 <= len(found) <= 100
    async with journal_at(tmp_path, ring=ring()) as (journal, _):  # it knows again how many there are
        await write(journal, range(1000, 1400), body=body)
        found = await journal.transact(kept)
        assert found == list(range(found[0], 1400))
        assert len(found) <= 100


async def test_a_ring_that_has_become_smaller_lets_go_at_the_next_decision(tmp_path: Path, journal_at: Any) -> None:
    async with journal_at(tmp_path) as (journal, _):
        await write(journal, range(1000))
    async with journal_at(tmp_path, ring=Ring(10)) as (journal, _):
        await write(journal, range(1000, 1001))
        assert await journal.transact(kept) == [1000]


async def test_questions_of_cause_target_and_source(tmp_path: Path, journal_at: Any) -> None:
    async with journal_at(tmp_path) as (journal, _):
        made = [
            decided(1, asked="\ndefault/pump-1/speed\ndefault/pump-2/speed\n"),
            decided(2, source="default/pump-1/speed"),
            decided(3, asked="\ndefault/pump-1/speed\n"),
            decided(4, source="default/pump-1/speed"),
        ]
        await journal.committed(journal.append(Batch(decisions=made)))
        with closing(records.reader(journal.file)) as connection:
            one, two, three, four = [
                kept for number in range(1, 5) for kept in decisions.of_cause(connection, f"mqtt:1:{number}", 9)
            ]
            assert decisions.asking(connection, "default/pump-1/speed") == three
            assert decisions.asking(connection, "default/pump-1/speed", three.id) == one
            assert decisions.asking(connection, "default/pump-2/speed") == one
            assert decisions.asking(connection, "default/pump-1") is None
            assert decisions.fed_by(connection, "default/pump-1/speed", one.id, 9) == [two, four]
            assert decisions.fed_by(connection, "default/pump-1/speed", two.id, 9) == [four]


async def test_a_decision_that_is_not_as_it_was_written_is_found(tmp_path: Path, journal_at: Any) -> None:
    async with journal_at(tmp_path) as (journal, _):
        await write(journal, range(20))
        await journal.transact(lambda db: db.execute("UPDATE decisions SET after = 'C' WHERE at = 7"))
    (finding,) = doctor.examine(tmp_path).findings
    assert (finding.what, finding.rows) == ("rows of decisions are not as they were written", 1)
    async with journal_at(tmp_path) as (journal, recovered):
        assert [each.at for each in recovered.decisions] == [at for at in range(20) if at != 7]


async def test_decisions_that_have_had_their_days_go_and_the_ring_goes_on(tmp_path: Path, journal_at: Any) -> None:
    async with journal_at(tmp_path, ring=Ring(100)) as (journal, _):
        await write(journal, range(100))
        policies = Policies(dict.fromkeys(KINDS, 1))
        retention = Retention(journal, None, policies, Still(60))
        await retention.sweep()
        assert await journal.transact(kept) == list(range(59, 100))
        await write(journal, range(100, 160))
        assert await journal.transact(kept) == list(range(60, 160))
