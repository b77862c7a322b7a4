"""Where real models, media and recordings are: GEMELO_ASSETS, or `shared` beside the repository."""

from __future__ import annotations

import os
from pathlib import Path

ASSETS = Path(os.environ.get("GEMELO_ASSETS", Path(__file__).resolve().parents[2] / "shared")).resolve()
