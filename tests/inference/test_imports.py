from __future__ import annotations

import subprocess
import sys

HEAVY = {"numpy", "openvino", "PIL", "aiohttp", "av"}


def test_what_an_idle_gateway_imports_of_inference_stays_light() -> None:
    modules = "inference, inference.catalogue, inference.depot, inference.admission, inference.serving"
    code = f"import sys, {modules}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.split() == []
