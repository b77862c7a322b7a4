from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.network import Network
from runtime.clock import SystemClock
from twins.errors import Unavailable

_Y, _X = np.mgrid[0:64, 0:64].astype(np.float32) / 63
_RADIUS = (_X - 0.5) ** 2 + (_Y - 0.5) ** 2
PATTERNS = {
    "ramp": _X * 2 - 1,
    "disc": np.where(_RADIUS < 0.1, 1, -1),
    "waves": np.sin(_X * 12) * np.cos(_Y * 9),
    "black": _X * 0 - 1,
}
# What TFLite's own runtime (ai-edge-litert 2.3.0) says of them with the same file.
LITERT = {
    "ramp": (0.177, 0.000, 0.066, 0.069, 0.023, 0.131, 0.534),
    "disc": (0.050, 0.000, 0.040, 0.006, 0.294, 0.002, 0.608),
    "waves": (0.090, 0.000, 0.003, 0.039, 0.003, 0.000, 0.864),
    "black": (0.725, 0.001, 0.004, 0.054, 0.070, 0.070, 0.077),
}


def _tensor(name: str) -> NDArray[np.float32]:
    return np.asarray(PATTERNS[name], np.float32).reshape(1, 64, 64, 1)


@pytest.mark.parametrize("name", PATTERNS)
def test_openvino_agrees_with_tflites_own_runtime(emotion: Network, name: str) -> None:
    outputs, seconds = emotion.run(_tensor(name))
    assert outputs["Identity"][0].tolist() == pytest.approx(LITERT[name], abs=0.02)
    assert 0 < seconds < 5


def test_many_threads_get_each_their_own_answer(emotion: Network) -> None:
    names = list(PATTERNS) * 50
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda name: emotion.run(_tensor(name))[0]["Identity"][0], names)
        assert all(np.allclose(answer, LITERT[name], atol=0.02) for name, answer in zip(names, answers, strict=True))


def test_the_detector_is_reshaped_to_320_and_names_its_outputs(yunet: Network) -> None:
    outputs, _ = yunet.run(np.zeros((1, 3, 320, 320), np.float32))
    assert outputs["bbox_8"].shape == (1, 1600, 4)
    assert yunet.precision in {"f32", "bf16", "f16"}


def test_a_file_that_is_no_model_is_told_by_name(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(Unavailable, match=r"broken\.onnx"):
        Network(path, (1, 3, 320, 320), SystemClock())


def test_a_tensor_of_the_wrong_shape_fails_and_the_network_stays_free(emotion: Network) -> None:
    with pytest.raises(Unavailable, match="OpenVINO failed"):
        emotion.run(np.zeros((1, 32, 32, 1), np.float32))
    assert emotion.run(_tensor("black"))[0]["Identity"].shape == (1, 7)


def test_a_compiled_model_is_kept_in_the_cache_folder(assets: Path, tmp_path: Path) -> None:
    path = assets / "models" / "onnx" / "emotion_model_quantized.tflite"
    for _ in range(2):
        network = Network(path, (1, 64, 64, 1), SystemClock(), cache=tmp_path)
        assert network.run(_tensor("waves"))[0]["Identity"][0].tolist() == pytest.approx(LITERT["waves"], abs=0.02)
    assert len(list(tmp_path.glob("*.blob"))) == 1
