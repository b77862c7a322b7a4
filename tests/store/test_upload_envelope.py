"""The envelope of an object: what was changed, moved or cut is rejected, and nothing shows through."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from store.uploads import envelope
from store.uploads.envelope import SEGMENT, key_id, opened, read_key, sealed
from twins.errors import Rejected

KEY, OTHER = bytes(range(32)), bytes(32)
NAME = "points/node=edge-1/day=2024-10-04/a.parquet.enc"


def closed(plain: bytes, name: str = NAME) -> bytes:
    return b"".join(sealed([plain[at : at + 10_000] for at in range(0, len(plain), 10_000)], name, KEY))


def plain_of(content: bytes, *keys: bytes) -> bytes:
    _, plain = opened(io.BytesIO(content), {key_id(key): key for key in keys or (KEY,)})
    return b"".join(plain)


@pytest.mark.parametrize("size", [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT + 17])
def test_what_was_closed_opens(size: int) -> None:
    plain = random.Random(size).randbytes(size)
    assert plain_of(closed(plain), OTHER, KEY) == plain


def test_each_bit_that_is_changed_is_noticed() -> None:
    content = closed(b"secret " * 20_000)
    places = [*range(300), *random.Random(1).sample(range(300, len(content)), 100), len(content) - 1]
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1
        with pytest.raises(Rejected):
            plain_of(bytes(changed))


def test_what_was_cut_lengthened_or_put_in_another_order_is_rejected() -> None:
    content = closed(random.Random(2).randbytes(3 * SEGMENT))
    first = len(content) - 3 * (SEGMENT + 16)
    parts = [content[first + n * (SEGMENT + 16) : first + (n + 1) * (SEGMENT + 16)] for n in range(3)]
    for those in ((0, 1), (1, 0, 2), (0, 2), (0, 1, 2, 2), (0, 0, 1, 2)):
        with pytest.raises(Rejected, match="changed, moved or cut off"):
            plain_of(content[:first] + b"".join(parts[n] for n in those))
    for length in (0, 5, first - 1, first, len(content) - 1):
        with pytest.raises(Rejected):
            plain_of(content[:length])
    other = closed(random.Random(2).randbytes(3 * SEGMENT), "another")
    with pytest.raises(Rejected):
        plain_of(content[:first] + other[-(SEGMENT + 16) :])


def test_nothing_shows_through_and_no_two_are_alike() -> None:
    plain = b"default/pump-1/temperature" * 5000
    one, two = closed(plain), closed(plain)
    assert b"pump-1" not in one
    assert one[200:] != two[200:]


def test_another_key_is_named_and_does_not_open() -> None:
    with pytest.raises(Rejected, match=key_id(KEY)):
        plain_of(closed(b"x"), OTHER)
    with pytest.raises(Rejected, match="key was changed"):
        list(opened(io.BytesIO(closed(b"x")), {key_id(KEY): OTHER})[1])
    with pytest.raises(Rejected, match="no encrypted object"):
        plain_of(b"PAR1 of somebody else")


def test_a_key_is_for_one_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    path.write_text(KEY.hex() + "\n", "ascii")
    path.chmod(0o640)
    with pytest.raises(Rejected, match="chmod 600"):
        read_key(path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_key(path) == KEY
    path.chmod(0o600)
    path.write_bytes(KEY)
    assert read_key(path) == KEY
    path.write_bytes(KEY[:31])
    with pytest.raises(Rejected, match="openssl rand"):
        read_key(path)
    with pytest.raises(Rejected, match="cannot be read"):
        read_key(tmp_path / "none")


def test_the_format_is_as_it_is_described() -> None:
    """By hand, from the description alone: whoever has no Gemelo can open it."""
    import base64
    import json

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.keywrap import aes_key_unwrap

    plain = b"0123456789" * 10_000
    content = closed(plain)
    assert content[:8] == envelope.MAGIC == b"GEMELO\x00\x01"
    length = int.from_bytes(content[8:10], "big")
    header = json.loads(content[10 : 10 + length])
    assert header["object"] == NAME
    cipher = AESGCM(aes_key_unwrap(KEY, base64.b64decode(header["wrapped"])))
    bound, rest = content[: 10 + length], content[10 + length :]
    prefix = base64.b64decode(header["prefix"])
    one = cipher.decrypt(prefix + b"\0\0\0\0\0", rest[:65_552], bound)
    assert one + cipher.decrypt(prefix + b"\0\0\0\1\1", rest[65_552:], bound) == plain
