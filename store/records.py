"""Rows of `state.db`: what a batch writes, and what is read back on start. Runs in the journal's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from store.checksums import SUMMED, checksum, note
from store.columns import fitted, fitted_time
from store.decisions import newest
from twins.exchange import Batch, Event, Mark, OutboxRow, Recovered, Result, Severity

_EVENTS = 200
_DECISIONS = 1000


def write(connection: sqlite3.Connection, batches: Sequence[Batch]) -> None:
    """Everything but points, digests and decisions; of one key the last batch wins. Wild integers are made to fit."""
    _keyed(connection, "twins", "device", "body", _merged(batch.twins for batch in batches))
    _keyed(connection, "rules", "key", "body", _merged(batch.rules for batch in batches))
    _keyed(connection, "streams", "key", "body", _merged(batch.streams for batch in batches))
    timers = _merged(batch.timers for batch in batches)
    due = {key: timer and (fitted_time(timer[0]), timer[1]) for key, timer in timers.items()}
    _keyed(connection, "timers", "key", "due, body", due)
    _keyed(connection, "manifests", "kind, name", "body", _merged(batch.manifests for batch in batches))
    outbox = {key: row and _outbox_row(row) for key, row in _merged(batch.outbox for batch in batches).items()}
    _keyed(connection, "outbox", "key", "kind, device, seq, body, cause", outbox, moves=True)
    marks = [batch.clock for batch in batches if batch.clock is not None]
    if marks:
        note(connection, "steady", marks[-1].steady)
        note(connection, "wall", marks[-1].wall)
    results = [row for batch in batches for result in batch.results for row in _result_rows(result)]
    if results:
        connection.executemany(
            f"INSERT INTO results VALUES (NULL, {_marks(17)})"  # noqa: S608 - marks
            " ON CONFLICT (at, device, model, seq, part) DO NOTHING",
            [(*row, checksum(*row)) for row in results],
        )
    write_events(connection, [event for batch in batches for event in batch.events])


def write_events(connection: sqlite3.Connection, events: Sequence[Event]) -> None:
    """A repeated event is the same event."""
    if events:
        rows = [(*row, checksum(*row)) for row in map(_event_row, events)]
        connection.executemany(f"INSERT INTO events VALUES ({_marks(9)}) ON CONFLICT (id) DO NOTHING", rows)  # noqa: S608 - marks


def read(connection: sqlite3.Connection) -> Recovered:
    """What a start needs: all state, digests oldest first, the newest events and decisions, these too oldest first."""
    everything = connection.execute
    (boot,) = everything("SELECT value FROM meta WHERE key = 'boot'").fetchone()
    seen = [digest for (blob,) in everything("SELECT digests FROM seen ORDER BY batch") for digest in unpack_seen(blob)]
    outbox = everything("SELECT key, kind, device, seq, body, cause FROM outbox ORDER BY rowid")
    latest = f"SELECT {SUMMED['events']} FROM events ORDER BY at DESC, rowid DESC LIMIT ?"  # noqa: S608 - names of ours
    events = everything(latest, [_EVENTS])
    return Recovered(
        boot=boot,
        twins=dict(everything("SELECT device, body FROM twins").fetchall()),
        rules=dict(everything("SELECT key, body FROM rules").fetchall()),
        timers={key: (due, body) for key, due, body in everything("SELECT key, due, body FROM timers")},
        manifests={(kind, name): body for kind, name, body in everything("SELECT kind, name, body FROM manifests")},
        outbox=[OutboxRow(*row) for row in outbox],
        seen=seen,
        events=[_event(*row) for row in events][::-1],
        streams=dict(everything("SELECT key, body FROM streams").fetchall()),
        clock=_clock(dict(everything("SELECT key, value FROM meta WHERE key IN ('steady', 'wall')").fetchall())),
        decisions=newest(connection, _DECISIONS),
    )


def _clock(found: dict[str, int]) -> Mark | None:
    return Mark(found["steady"], found["wall"]) if len(found) == 2 else None


def event(connection: sqlite3.Connection, ident: str) -> Event | None:
    """The event of this id."""
    row = connection.execute(f"SELECT {SUMMED['events']} FROM events WHERE id = ?", [ident]).fetchone()  # noqa: S608 - ours
    return None if row is None else _event(*row)


def told(connection: sqlite3.Connection, at: int) -> list[Event]:
    """The events of this very moment."""
    rows = connection.execute(f"SELECT {SUMMED['events']} FROM events WHERE at = ? LIMIT 200", [at])  # noqa: S608 - ours
    return [_event(*row) for row in rows]


def reader(file: Path) -> sqlite3.Connection:
    """A connection that only reads, beside the journal's: in WAL mode neither waits for the other."""
    return sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, isolation_level=None)


def results(connection: sqlite3.Connection, most: int = -1) -> tuple[int, list[tuple[Any, ...]]]:
    """Unsealed results as SQL shows them (`device` whole, no node), and the number of the last of them.

    The first `most` of them; all if it is less than 0.
    """
    rows = connection.execute(
        "SELECT id, at, device, model, version, label, score, x, y, w, h, track, seq, queue_us / 1000.0,"
        " infer_us / 1000.0, cause FROM results ORDER BY id LIMIT ?",
        [most],
    ).fetchall()
    return (rows[-1][0] if rows else 0), [row[1:] for row in rows]


def events(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """All events as SQL shows them (no node)."""
    return connection.execute("SELECT at, kind, object, severity, message, cause, detail FROM events").fetchall()


def pack_seen(digests: list[int]) -> bytes:
    return msgspec.msgpack.encode(digests)


def unpack_seen(blob: bytes) -> list[int]:
    return msgspec.msgpack.decode(blob, type=list[int])


def _merged(parts: Iterable[dict[Any, Any]]) -> dict[Any, Any]:
    """One dictionary; a key's place is that of its last change, which is the outbox's order."""
    merged: dict[Any, Any] = {}
    for part in parts:
        for key, value in part.items():
            merged.pop(key, None)
            merged[key] = value
    return merged


def _keyed(
    connection: sqlite3.Connection, table: str, keys: str, values: str, rows: dict[Any, Any], *, moves: bool = False
) -> None:
    """Delete and upsert; with `moves` a changed row becomes the last one."""
    if not rows:
        return
    gone = [_tuple(key) for key, value in rows.items() if moves or value is None]
    kept = [(*_tuple(key), *_tuple(value)) for key, value in rows.items() if value is not None]
    kept = [(*row, checksum(*row)) for row in kept]
    if gone:
        where = " AND ".join(f"{key} = ?" for key in keys.split(", "))
        connection.executemany(f"DELETE FROM {table} WHERE {where}", gone)  # noqa: S608 - names of this module
    if kept:
        update = ", ".join(f"{value} = excluded.{value}" for value in [*values.split(", "), "crc"])
        connection.executemany(
            f"INSERT INTO {table} ({keys}, {values}, crc) VALUES ({_marks(len(kept[0]))})"  # noqa: S608 - names of this module
            f" ON CONFLICT ({keys}) DO UPDATE SET {update}",
            kept,
        )


def _event(
    ident: str, at: int, kind: str, subject: str, severity: Severity, message: str, cause: str, detail: str
) -> Event:
    return Event(ident, at, kind, subject, severity, message, cause, msgspec.json.decode(detail, type=dict[str, str]))


def _event_row(e: Event) -> tuple[Any, ...]:
    return e.id, fitted_time(e.at), e.kind, e.object, e.severity, e.message, e.cause, _json(e.detail)


def _outbox_row(row: OutboxRow) -> tuple[Any, ...]:
    return row.kind, row.device, fitted(row.seq), row.body, row.cause


def _result_rows(result: Result) -> Iterator[tuple[Any, ...]]:
    """One row a detection; a frame in which nothing was seen is one row without a label."""
    costs = (fitted(result.queue_us), fitted(result.infer_us), result.cause)
    at, seq = fitted_time(result.at), fitted(result.seq)
    for part, seen in enumerate(result.detections or (None,)):
        key = (at, result.device, result.model, seq, part, result.version)
        if seen is None:
            yield *key, *[None] * 7, *costs
        else:
            box = map(_real, (seen.box.x, seen.box.y, seen.box.w, seen.box.h) if seen.box else (None,) * 4)
            track = None if seen.track is None else fitted(seen.track)
            yield *key, seen.label, _real(seen.score), *box, track, *costs


def _real(value: float | None) -> float | None:
    """As SQLite gives it back: NaN is nothing."""
    return None if value is None or value != value else float(value)


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _json(value: dict[str, str]) -> str:
    return msgspec.json.encode(value).decode()
