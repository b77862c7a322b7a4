"""What other nodes answered, put together in a process for queries; they may have sent anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: the extra `sql`")

import pyarrow as pa

from store.sql.question import Asked, Statement
from twins.errors import Rejected


def stream(**columns: Any) -> bytes:
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


async def merged(store: Any, streams: Sequence[bytes], sql: str, *tables: str) -> Any:
    asked = Asked(Statement(sql), frozenset(tables))
    return await store.sql.merged(asked, {"_part0": streams}, form="rows", deadline=20, limit=100)


async def test_rows_of_all_streams_are_one_table_beside_our_own(tmp_path: Path, store_at: Any) -> None:
    async with store_at(tmp_path) as store:
        streams = [stream(a=[1, 2], b=["x", None]), stream(b=["y"], a=[2.5]), stream(a=[None], b=[None])]
        answer = await store.sql.merged(
            Asked(
                Statement("SELECT sum(a), count(b), (SELECT count(*) FROM devices) FROM _part0"), frozenset({"devices"})
            ),
            {"_part0": streams},
            form="json",
            deadline=20,
            limit=100,
        )
        assert answer.body == b"[[5.5,2,1]]"
        plain = await store.sql.sql("SELECT 1", (), deadline=20, limit=1)
        assert plain.rows == [(1,)]  # and the next query sees nothing of them
        with pytest.raises(Rejected, match="_part0"):
            await store.sql.sql("SELECT * FROM _part0", (), deadline=20, limit=1)


async def test_what_is_no_answer_spoils_this_query_and_no_other(tmp_path: Path, store_at: Any) -> None:
    good = stream(a=["one", "two", "three"], b=[1, 2, 3])
    bad = [b"", b"nothing", good[: len(good) // 2], stream(c=[1])]
    bad += [good[:at] + b"\xff\xff\xff\x7f" + good[at + 4 :] for at in range(8, len(good) - 4, 24)]
    async with store_at(tmp_path) as store:
        refused = 0
        for each in bad:
            try:
                await merged(store, [good, each], "SELECT count(*), max(a), sum(b) FROM _part0")
            except Rejected:
                refused += 1
        assert refused >= 4
        answer = await merged(store, [good], "SELECT count(*) FROM _part0")
        assert answer.rows == 1
