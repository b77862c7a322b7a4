from __future__ import annotations

import os
from pathlib import Path

import pytest

from store.pictures import Pictures
from twins.errors import Rejected

JPEG = b"\xff\xd8\xff\xe0"


def test_a_picture_is_found_by_its_key(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path / "pictures", 1000)
    pictures.put("alert-1", JPEG + b"one")
    assert pictures.get("alert-1") == JPEG + b"one"
    assert pictures.get("alert-2") is None


def test_the_oldest_go_when_the_quota_is_full(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path, 1000)
    for number in range(5):
        pictures.put(f"p{number}", JPEG + bytes(296))
        os.utime(tmp_path / f"p{number}.jpg", (number, number))
    kept = [number for number in range(5) if pictures.get(f"p{number}")]
    assert kept == [2, 3, 4]


@pytest.mark.parametrize("key", ["", "../x", "a/b", "/etc/passwd", "a\0b", ".hidden", "a..b", "x" * 129, "ü", "a\n"])
def test_a_key_that_is_no_plain_name_is_refused(tmp_path: Path, key: str) -> None:
    pictures = Pictures(tmp_path / "pictures", 1000)
    with pytest.raises(Rejected):
        pictures.put(key, JPEG)
    with pytest.raises(Rejected):
        pictures.get(key)


def test_what_is_no_jpeg_or_too_large_is_refused(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path, 1000)
    with pytest.raises(Rejected, match="not a JPEG"):
        pictures.put("a", b"<html>")
    with pytest.raises(Rejected, match="quota"):
        pictures.put("a", JPEG + bytes(1000))
    assert pictures.get("a") is None
