"""The Containerfile taken apart."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

from tests.deploy.kustomization import DEPLOY


class Step(Struct, frozen=True):
    """One instruction; `stage` counts from 0, -1 is before the first FROM."""

    stage: int
    word: str
    rest: str


def steps(file: Path = DEPLOY / "Containerfile") -> list[Step]:
    lines = [line for line in file.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found: list[Step] = []
    stage = -1
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        stage += word == "FROM"
        found.append(Step(stage, word, rest))
    return found
