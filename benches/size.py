"""What does an installation weigh: the core, and what each extra adds?

From the lists of files of the distributions installed here, followed from requirement to requirement. What two extras
share is counted in both.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from benches.figures import Figure, show
from benches.stage import ROOT

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_PACKAGES = ("gateway", "twins", "devices", "rules", "inference", "store", "cloud", "web", "runtime", "simulator")


def main(quick: bool = False) -> list[Figure]:
    """MB (10⁶ bytes) on disk, compiled Python files included."""
    del quick  # it is quick
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    core = _closure(project["dependencies"])
    figures = [
        Figure("gemelo itself", sum(_folder(ROOT / name) for name in _PACKAGES), "MB"),
        Figure(f"the core's {len(core)} distributions", sum(map(_weight, core)), "MB"),
    ]
    for extra, requirements in project["optional-dependencies"].items():
        if extra == "all":
            continue
        more = _closure(requirements) - core
        missing = [name for name in map(_name, requirements) if _found(name) is None]
        note = f" ({', '.join(missing)} not installed)" if missing else ""
        figures.append(Figure(f"extra `{extra}` adds {len(more)}{note}", sum(map(_weight, more)), "MB"))
    show("size: what is installed", figures)
    return figures


def _closure(requirements: Iterable[str]) -> set[str]:
    """The installed distributions that these requirements bring, themselves included."""
    found: set[str] = set()
    waiting = list(map(_name, requirements))
    while waiting:
        name = waiting.pop()
        installed = None if name in found else _found(name)
        if installed is None:
            continue
        found.add(name)
        waiting += [_name(each) for each in installed.requires or () if "extra ==" not in each]
    return found


def _found(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _weight(name: str) -> float:
    files = distribution(name).files or ()
    return sum(path.stat().st_size for file in files if (path := Path(str(file.locate()))).is_file()) / 1e6


def _folder(folder: Path) -> float:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc") / 1e6


def _name(requirement: str) -> str:
    found = _NAME.match(requirement)
    assert found is not None  # a requirement begins with a name
    return re.sub(r"[-_.]+", "-", found[0]).lower()


if __name__ == "__main__":
    main("--quick" in sys.argv)
