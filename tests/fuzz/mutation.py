"""Bytes that are nearly right: a seed with a few of its bytes cut, doubled, swapped with another's, or made hostile."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any

LONGEST = 64 * 1024
WORDS = (
    *(
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e400",
        b"-0",
        b"1e-400",
        b"9" * 400,
        b"0." + b"9" * 400,
        b"18446744073709551616",
    ),
    *(
        b"null",
        b"true",
        b"[]",
        b"{}",
        b'""',
        b"[" * 3000,
        b'{"a":' * 1200,
        b'{"twin":' * 1200,
        b'"twin":{},',
        b'"event_id":1,',
    ),
    *(
        b"\\ud800",
        b"\\udfff\\ud800",
        b"\\u0000",
        b"\x00",
        b"\x1b",
        b"\x7f",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xc0\x80",
        b"\xef\xbb\xbf",
    ),
    *(
        b"\\",
        b'"',
        b"'",
        b",",
        b":",
        b"/",
        b"#",
        b"+",
        b"$",
        b"\n",
        b"\r\n",
        b"\xe2\x80\xae",
        b"\xf4\x8f\xbf\xbf",
        b"k" * 129,
        b"v" * 8193,
    ),
    *(
        b'"Twin":',
        b'"ACTUAL":',
        b'"expected":',
        b'"metadata":{"type":"int"},',
        b'"timestamp":-1,',
        b'"optional":false,',
    ),
)


VALUES = (
    None,
    True,
    False,
    0,
    -1,
    2**31,
    2**53 + 1,
    2**63,
    2**64,
    10**40,
    1.5,
    1e308,
    -0.0,
    "",
    "int",
    "deleted",
    "1",
    "NaN",
    "x" * 9000,
)


def mutated(random: Random, seeds: Sequence[bytes]) -> bytes:
    """Another input, made of one of `seeds` or two."""
    data = bytearray(random.choice(seeds))
    if random.random() < 0.3 and (tree := _grown(random, data)) is not None:
        return tree[:LONGEST]
    for _ in range(random.randint(1, 6)):
        _change(random, data, seeds)
        del data[LONGEST:]
    return bytes(data)


def _change(random: Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    at, to = sorted(random.randint(0, len(data)) for _ in range(2))
    match random.randrange(7):
        case 0:
            del data[at : min(to, at + 32)]
        case 1:
            data[at:at] = random.choice(WORDS)
        case 2:
            data[at : min(to, at + 8)] = random.choice(WORDS)
        case 3:
            data[at:at] = data[at:to] * random.choice((1, 2, 50))
        case 4:
            other = random.choice(seeds)
            data[at:] = other[random.randint(0, len(other)) :]
        case 5 if data:
            data[random.randrange(len(data))] = random.randrange(256)
        case _:
            data[:1] = bytes([random.randrange(256)])


def _grown(random: Random, data: bytes) -> bytes | None:
    """The same tree with another value somewhere, or one more; `None` when there is no tree."""
    try:
        tree = json.loads(data[1:])
        if not isinstance(tree, dict | list) or not tree:
            return None
        for _ in range(random.randint(1, 3)):
            _plant(random, tree)
        return bytes(data[:1]) + json.dumps(tree).encode()
    except (ValueError, RecursionError):
        return None


def _plant(random: Random, tree: Any) -> None:
    """Put a value into some place of a tree, from the root on at random."""
    here = tree
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        key = random.choice(keys)
        inner = here[key]
        if not isinstance(inner, dict | list) or not inner or random.random() < 0.15:
            break
        here = inner
    value = random.choice((*VALUES, [], {}, [inner], {"value": inner}, {"timestamp": 2**63}))
    if isinstance(here, dict) and random.random() < 0.2:
        here[random.choice((f"{key}x", "", "k" * 200, key.upper(), "a b", "expected_version", "actual"))] = value
    else:
        here[key] = value
