"""Real models and pictures from GEMELO_ASSETS (default: ../shared beside the repository); tests that lack them skip."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inference.catalogue import load
from inference.depot import Depot
from runtime.clock import SystemClock
from tests.clock import SleepingClock
from twins.errors import Unavailable
from twins.exchange import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from inference.network import Network

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clock() -> SleepingClock:
    return SleepingClock(1000.0)


@pytest.fixture(scope="session")
def media(assets: Path) -> Path:
    return assets / "media"


@pytest.fixture
def depot(assets: Path, tmp_path: Path) -> Depot:
    """A depot that holds the two face models, as a pull would leave them."""
    depot = Depot(tmp_path / "models")
    depot.folder.mkdir()
    for name in ("face-yunet", "emotion-mini-xception"):
        shutil.copy(assets / "models" / "onnx" / depot.catalogue.entry(name).file, depot.folder)
    return depot


@pytest.fixture(scope="session")
def pulled() -> Depot:
    """The default set as the product fetches it, kept in the repository's ignored `.cache` for the next run."""
    depot = Depot(ROOT / ".cache" / "models")
    try:
        for entry in depot.catalogue.defaults():
            asyncio.run(depot.pull(entry.name))
    except Unavailable as error:
        pytest.skip(str(error))
    return depot


@pytest.fixture(scope="session")
def yunet(assets: Path) -> Network:
    from inference import yunet
    from inference.network import Network

    return Network(assets / "models" / "onnx" / _file("face-yunet"), yunet.SHAPE, SystemClock())


@pytest.fixture(scope="session")
def emotion(assets: Path) -> Network:
    from inference import emotion
    from inference.network import Network

    return Network(assets / "models" / "onnx" / _file("emotion-mini-xception"), emotion.SHAPE, SystemClock())


@pytest.fixture(scope="session")
def ssdlite(assets: Path) -> Network:
    from inference import persons
    from inference.network import Network

    path = assets / "models" / "pedestrian_ssdlite" / "pedestrian_ssdlite.xml"
    return Network(path, persons.SHAPE, SystemClock())


@pytest.fixture
def frame_of() -> Callable[..., Frame]:
    """A frame of one source; JPEG bytes or whatever is given."""

    def make(
        data: bytes = b"", *, device: str = "default/cam", seq: int = 1, received: float = 1000.0, **more: object
    ) -> Frame:
        fields = {"width": 0, "height": 0, "format": "jpeg", "cause": f"test:1:{seq}"} | more
        return Frame(device=device, seq=seq, at=seq * 1000, received=received, data=data, **fields)  # type: ignore[arg-type]

    return make


def _file(name: str) -> str:
    return load().entry(name).file
