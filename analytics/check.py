"""A package of a model that Spark made, run by OpenVINO: are the files whole, and the answers those that Spark gave?"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path


def main(folder: Path) -> None:
    about = json.loads((folder / "package.json").read_text("utf-8"))
    for name, digest in about["files"].items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            sys.exit(f"{name} is not the file that the package was made with")
    import numpy as np
    import openvino as ov

    example = json.loads((folder / "example.json").read_text("utf-8"))
    exact = {"INFERENCE_PRECISION_HINT": "f32"}  # some processors would compute with 8 bits of mantissa
    model = ov.Core().compile_model(folder / "model.onnx", "CPU", exact)
    given = model([np.array(example["features"], np.float32)])[0].ravel()
    off = float(np.abs(given - np.array(example["risk"])).max())
    if off > 1e-4:
        sys.exit(f"OpenVINO's risk differs by {off:g} from Spark's")
    name, version, metrics = about["name"], about["version"], about["metrics"]
    print(f"{name} {version}: whole; {len(given)} rows, at most {off:.1e} from what Spark said; {metrics}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
