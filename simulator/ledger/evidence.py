"""What is there: points, results and events read back in SQL, and what the stand-in cloud wrote down."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from simulator.ledger.claims import Key, Stored, lines

PAGE = 9000
"""Rows of one question: below the gateway's own limit."""
FIRST = -(1 << 53)
"""Before the first time and the first number."""


class Store:
    """The store of a running gateway, asked over its HTTP API."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def ask(self, query: str, *parameters: Any) -> list[list[Any]]:
        """The rows of one question. Raises `RuntimeError` with the gateway's own words when it is refused."""
        body = {"query": query, "parameters": list(parameters), "limit": PAGE + 1}
        async with self._session.post(f"{self._url}/api/v1/sql", json=body) as answer:
            told = await answer.json(content_type=None)
            if answer.status != 200:
                msg = f"the gateway refuses the ledger's question: {told}"
                raise RuntimeError(msg)
            rows: list[list[Any]] = told["rows"]
            return rows

    async def points(self, devices: list[str]) -> tuple[Counter[Key], dict[Key, Stored]]:
        """How often each value is there, and what it is; device by device, page by page."""
        count: Counter[Key] = Counter()
        value: dict[Key, Stored] = {}
        for device in devices:
            namespace, _, name = device.partition("/")
            after = FIRST
            while True:
                rows = await self.ask(
                    "SELECT property, epoch_us(time), value, text FROM points WHERE namespace = ? AND device = ?"
                    f" AND epoch_us(time) > ? ORDER BY 2 LIMIT {PAGE}",
                    namespace,
                    name,
                    after,
                )
                full = len(rows) == PAGE
                last = rows[-1][1] if rows else FIRST
                if full and rows[0][1] == last:
                    msg = f"{device} has {PAGE} values or more at one instant ({last} µs): too many to count"
                    raise RuntimeError(msg)
                for prop, at, number, text in rows:
                    if full and at == last:
                        continue  # the page may cut through one instant: it comes whole with the next
                    key = (device, prop, at // 1000)
                    count[key] += 1
                    value[key] = text if text is not None else number
                if not full:
                    break
                after = last - 1
        return count, value

    async def results(self, device: str) -> Counter[int]:
        """How many results each frame of a phone has: answers of their own, and rows that are there twice."""
        namespace, _, name = device.partition("/")
        found: Counter[int] = Counter()
        after = FIRST
        row = "(cause, label, score, x, y, w, h, track)"
        while True:
            rows = await self.ask(
                f"SELECT input, count(DISTINCT cause) + count(*) - count(DISTINCT {row}) FROM results"
                f" WHERE namespace = ? AND device = ? AND input > ? GROUP BY input ORDER BY input LIMIT {PAGE}",
                namespace,
                name,
                after,
            )
            found.update(dict(rows))
            if len(rows) < PAGE:
                return found
            after = rows[-1][0]

    async def decisions(self) -> tuple[int, int]:
        """Decisions told as events, and how many of them are there more than once."""
        rows = await self.ask(
            "SELECT count(*), count(*) - count(DISTINCT (object, message, cause)) FROM events WHERE kind = 'alert'"
        )
        return rows[0][0], rows[0][1]


@dataclass
class Cloud:
    """What the stand-in received: reports, those it answered, and the newest version of each property."""

    sent: int = 0
    confirmed: int = 0
    backwards: int = 0
    last: dict[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Cloud:
        """Take up `received.jsonl`. A version that comes after a newer one counts as `backwards`."""
        cloud = cls()
        newest: dict[tuple[str, str, str], int] = {}
        for line in lines(folder / "received.jsonl"):
            resource = line.get("route", {}).get("resource", "")
            if not resource.endswith("/twin/edge_updated"):
                continue
            cloud.sent += 1
            cloud.confirmed += line["verdict"] == "confirmed"
            device = resource.removeprefix("device/").removesuffix("/twin/edge_updated")
            twin = line.get("content", {}).get("twin", {})
            for name, said in twin.items():
                for side in ("actual", "expected"):
                    version = ((said or {}).get(f"{side}_version") or {}).get("edge")
                    if version is None:
                        continue  # this report says nothing of that side
                    key = (device, name, side)
                    cloud.backwards += version < newest.get(key, 0)
                    newest[key] = max(version, newest.get(key, 0))
        return cloud
