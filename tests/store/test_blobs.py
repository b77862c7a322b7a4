from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from store.blobs import Blobs, count, files, unsound
from twins.errors import Rejected


class Ticks:
    """A clock of which each look is later."""

    def __init__(self) -> None:
        self._now = 0

    def now(self) -> int:
        self._now += 1
        return self._now

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


@asynccontextmanager
async def opened(path: Path, journal_at: Any, quota: int = 1000) -> AsyncIterator[Blobs]:
    async with journal_at(path) as (journal, _):
        blobs = Blobs(path / "blobs", quota, journal, Ticks())
        await blobs.open(path / "pictures")
        yield blobs


async def test_a_blob_is_found_by_its_name_and_by_its_digest_after_a_restart_too(
    tmp_path: Path, journal_at: Any
) -> None:
    async with opened(tmp_path, journal_at) as blobs:
        digest = await blobs.put("alert-1", b"one")
        assert digest == hashlib.sha256(b"one").hexdigest()
    async with opened(tmp_path, journal_at) as blobs:
        assert await blobs.get("alert-1") == b"one"
        assert await blobs.get(digest) == b"one"
        assert await blobs.get("alert-2") is None
        assert await blobs.get("0" * 64) is None


async def test_the_same_content_is_one_file_until_its_last_name_goes(tmp_path: Path, journal_at: Any) -> None:
    async with opened(tmp_path, journal_at) as blobs:
        await blobs.put("a", b"same")
        await blobs.put("b", b"same")
        assert count(tmp_path / "blobs") == 1
        await blobs.put("a", b"other")
        assert await blobs.get("b") == b"same"
        await blobs.put("b", b"other")
        assert [file.read_bytes() for file in files(tmp_path / "blobs")] == [b"other"]


async def test_the_oldest_go_when_the_quota_is_full_and_it_is_never_passed(tmp_path: Path, journal_at: Any) -> None:
    async with opened(tmp_path, journal_at) as blobs:
        for number in range(5):
            await blobs.put(f"p{number}", bytes([number]) * 300)
            assert sum(file.stat().st_size for file in files(tmp_path / "blobs")) <= 1000
        assert [number for number in range(5) if await blobs.get(f"p{number}")] == [2, 3, 4]


async def test_what_a_kill_left_is_put_in_step(tmp_path: Path, journal_at: Any) -> None:
    async with opened(tmp_path, journal_at) as blobs:
        gone, kept = await blobs.put("gone", b"gone"), await blobs.put("kept", b"kept")
        folder = tmp_path / "blobs"
    (folder / gone[:2] / gone).unlink()
    (folder / kept[:2] / "half.tmp").write_bytes(b"ha")
    nameless = hashlib.sha256(b"nameless").hexdigest()
    (folder / nameless[:2]).mkdir(exist_ok=True)
    (folder / nameless[:2] / nameless).write_bytes(b"nameless")
    async with opened(tmp_path, journal_at) as blobs:
        assert await blobs.get("gone") is None
        assert await blobs.get("kept") == b"kept"
        assert await blobs.get(nameless) == b"nameless"
        assert not list(folder.rglob("*.tmp"))


async def test_pictures_of_an_earlier_version_are_taken_over(tmp_path: Path, journal_at: Any) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "camera-1-7.jpg").write_bytes(b"\xff\xd8\xff\xe0old")
    async with opened(tmp_path, journal_at) as blobs:
        assert await blobs.get("camera-1-7") == b"\xff\xd8\xff\xe0old"
        assert not list((tmp_path / "pictures").iterdir())


async def test_a_damaged_blob_is_none_and_is_found(tmp_path: Path, journal_at: Any) -> None:
    async with opened(tmp_path, journal_at) as blobs:
        digest = await blobs.put("a", b"content")
        (tmp_path / "blobs" / digest[:2] / digest).write_bytes(b"contemt")
        assert await blobs.get("a") is None
        assert list(unsound(tmp_path / "blobs")) == [digest]


@pytest.mark.parametrize("name", ["", "../x", "a/b", "/etc/passwd", "a\0b", ".hidden", "a..b", "x" * 129, "ü", "a\n"])
async def test_a_name_that_is_no_plain_one_is_refused(tmp_path: Path, journal_at: Any, name: str) -> None:
    async with opened(tmp_path, journal_at) as blobs:
        with pytest.raises(Rejected):
            await blobs.put(name, b"x")
        with pytest.raises(Rejected):
            await blobs.get(name)


async def test_what_is_larger_than_all_room_is_refused(tmp_path: Path, journal_at: Any) -> None:
    async with opened(tmp_path, journal_at) as blobs:
        await blobs.put("a", b"x")
        with pytest.raises(Rejected, match="quota"):
            await blobs.put("b", bytes(1001))
        assert await blobs.get("a") == b"x"
