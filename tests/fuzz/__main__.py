"""`python -m tests.fuzz`: feed the codec for a while. With atheris (`pip install atheris`) new paths lead the way.

It is no dependency, for there are wheels of it for few machines. What was found interesting is kept in `.fuzz/corpus`;
an input that does what none may ends the run, and is kept too.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

HOME = Path(__file__).resolve().parents[2] / ".fuzz"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--for", dest="seconds", type=int, default=60, metavar="SECONDS", help="default 60")
    parser.add_argument("--plain", action="store_true", help="without atheris")
    parser.add_argument("inputs", nargs="*", type=Path, help="files to check, and nothing else")
    args = parser.parse_args()
    if args.inputs:
        from tests.fuzz.codec import check

        for path in args.inputs:
            check(path.read_bytes())
    elif args.plain or find_spec("atheris") is None:
        _blind(args.seconds)
    else:
        _guided(args.seconds)


def _guided(seconds: int) -> None:
    """By coverage; ends the process."""
    import atheris

    with atheris.instrument_imports(include=["twins", "devices"]):
        from tests.fuzz.codec import check
    from tests.fuzz.mutation import mutated
    from tests.fuzz.seeds import seeds

    known = list(seeds())

    def other(data: bytes, most: int, seed: int) -> bytes:
        """libFuzzer's own changes of bytes, and ours, which know what a tree is."""
        chance = random.Random(seed)
        if chance.random() < 0.5:
            return bytes(atheris.Mutate(data, most))
        return mutated(chance, (data, data, data, chance.choice(known)))[:most]

    corpus, words = HOME / "corpus", HOME / "words"
    _write(corpus, words)
    options = [
        f"-max_total_time={seconds}",
        "-max_len=65536",
        "-timeout=5",
        f"-artifact_prefix={HOME}/",
        "-print_final_stats=1",
        f"-dict={words}",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], check, custom_mutator=other)
    atheris.Fuzz()


def _blind(seconds: int) -> None:
    """By chance alone."""
    from tests.fuzz.codec import check
    from tests.fuzz.mutation import mutated
    from tests.fuzz.seeds import seeds

    print("without atheris inputs are changed by chance, without a look at what they reach", file=sys.stderr)
    known: Sequence[bytes] = list(seeds())
    chance, until, count = random.Random(), time.monotonic() + seconds, 0
    while time.monotonic() < until:
        data = mutated(chance, known)
        try:
            check(data)
        except BaseException:
            HOME.mkdir(exist_ok=True)
            (HOME / "crash").write_bytes(data)
            print(f"the input is in {HOME / 'crash'}", file=sys.stderr)
            raise
        count += 1
    print(f"{count} inputs, nothing found")


def _write(corpus: Path, words: Path) -> None:
    """The seeds and the hostile words as files, as libFuzzer wants them."""
    from tests.fuzz.mutation import WORDS
    from tests.fuzz.seeds import seeds

    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()):
        (corpus / f"seed-{number:04}").write_bytes(seed)
    quoted = ("".join(f"\\x{byte:02x}" for byte in word) for word in WORDS if len(word) <= 64)
    words.write_text("".join(f'"{word}"\n' for word in quoted))


if __name__ == "__main__":
    main()
