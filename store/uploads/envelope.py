"""AES-256-GCM around an object, made and opened as a stream. Loads cryptography.

    magic       8 bytes, `GEMELO\\x00\\x01`
    header      2 bytes its length (big endian), then JSON: `object` (its whole name), `key` (id of the wrapping key),
                `wrapped` (base64: the object's own random key, wrapped by AES key wrap, RFC 3394), `prefix` (base64: 7
                random bytes)
    segments    of 65,536 bytes of plain text, the last one shorter or empty, each with a tag of 16 bytes behind it

Segment n has the nonce `prefix` + n (4 bytes, big endian) + 1 for the last one, else 0 (the STREAM construction of
Hoang, Reyhanitabar, Rogaway and Vizár, CRYPTO 2015): none can be moved, left out or cut off. Its additional data is
magic and header, so none can be moved to another object. The id of a key is the first 16 hex digits of its SHA-256.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from msgspec import Struct

from twins.errors import Rejected

MAGIC = b"GEMELO\x00\x01"
SUFFIX = ".enc"
"""What the names of such objects end in."""
SEGMENT = 65_536
_TAG = 16
_LONGEST = 8192


class Header(Struct, frozen=True, forbid_unknown_fields=True):
    """What anybody may read."""

    object: str
    key: str
    wrapped: str
    prefix: str


def read_key(path: Path) -> bytes:
    """The 32 bytes of a key's file. Raises `Rejected` for one that others may read, or that holds no key."""
    content = private(path)
    key = content
    if len(content) != 32:
        try:
            key = bytes.fromhex(content.decode("ascii").strip())
        except ValueError:
            key = b""
    if len(key) != 32:
        raise Rejected(f"{path}: holds no key: make one by `openssl rand -hex 32 > {path.name}`")
    return key


def private(path: Path) -> bytes:
    """What is in a file that is for its user alone. Raises `Rejected`.

    systemd's credentials may look as if their group could read them: that is the mask of an ACL for one user.
    """
    try:
        mode, content = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise Rejected(f"{path}: cannot be read: {error.strerror}") from None
    given = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if mode & 0o077 and not (given and path.is_relative_to(given)):
        raise Rejected(f"{path}: others may read it: chmod 600 {path}")
    return content


def key_id(key: bytes) -> str:
    return sha256(key).hexdigest()[:16]


def sealed(plain: Iterable[bytes], name: str, key: bytes) -> Iterator[bytes]:
    """The object `name` in its envelope, piece by piece; `key` wraps its own."""
    own, prefix = secrets.token_bytes(32), secrets.token_bytes(7)
    wrapped = base64.b64encode(aes_key_wrap(key, own)).decode()
    header = msgspec.json.encode(Header(name, key_id(key), wrapped, base64.b64encode(prefix).decode()))
    if len(header) > _LONGEST:
        raise Rejected(f"object {name[:80]}…: its name is too long")
    bound = MAGIC + len(header).to_bytes(2, "big") + header
    yield bound
    cipher = AESGCM(own)
    held = b""
    number = 0
    for piece in plain:
        held += piece
        while len(held) > SEGMENT:  # the last one is known by that nothing follows
            yield cipher.encrypt(_nonce(prefix, number, last=False), held[:SEGMENT], bound)
            held, number = held[SEGMENT:], number + 1
    yield cipher.encrypt(_nonce(prefix, number, last=True), held, bound)


def opened(sealed_file: BinaryIO, keys: Mapping[str, bytes]) -> tuple[Header, Iterator[bytes]]:
    """Header and plain text. The text is sound once its iterator has ended: raises `Rejected` for what was changed."""
    bound = sealed_file.read(len(MAGIC) + 2)
    if not bound.startswith(MAGIC) or len(bound) != len(MAGIC) + 2:
        raise Rejected("is no encrypted object of this gateway")
    length = int.from_bytes(bound[-2:], "big")
    raw = sealed_file.read(length) if length <= _LONGEST else b""
    try:
        header = msgspec.json.decode(raw, type=Header)
        prefix, wrapped = (
            base64.b64decode(header.prefix, validate=True),
            base64.b64decode(header.wrapped, validate=True),
        )
    except (msgspec.DecodeError, ValueError):
        raise Rejected("its header is damaged") from None
    key = keys.get(header.key)
    if key is None:
        raise Rejected(f"it needs the key {header.key}; here are {', '.join(keys) or 'none'}")
    try:
        own = aes_key_unwrap(key, wrapped)
    except (InvalidUnwrap, ValueError):
        raise Rejected("its key was changed: it is rejected") from None
    return header, _plain(sealed_file, AESGCM(own), prefix, bound + raw)


def _plain(sealed_file: BinaryIO, cipher: AESGCM, prefix: bytes, bound: bytes) -> Iterator[bytes]:
    number = 0
    segment = sealed_file.read(SEGMENT + _TAG)
    while True:
        after = sealed_file.read(SEGMENT + _TAG)
        try:
            yield cipher.decrypt(_nonce(prefix, number, last=not after), segment, bound)
        except (InvalidTag, ValueError):
            raise Rejected(f"segment {number} was changed, moved or cut off: it is rejected") from None
        if not after:
            return
        segment, number = after, number + 1


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + bytes([last])
