"""One network on OpenVINO: compiled once, run from any thread."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.clock import Clock
from twins.errors import Unavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Outputs = dict[str, NDArray[np.float32]]

_PATIENCE = 30.0


class Network:
    """A model file (.onnx, .tflite, .pb, .xml) compiled for the CPU with a fixed input shape, on `threads` cores.

    One picture at a time: with two streams OpenVINO 2026.4 ran the emotion TFLite wrong, and not always alike; with
    one it agrees with TFLite's own runtime. The precision is OpenVINO's choice for this CPU (bfloat16 only where
    the CPU has it). `cache` is a folder that keeps compiled models between starts.
    Raises `Unavailable` if OpenVINO cannot take the file.
    """

    def __init__(
        self, path: Path, shape: tuple[int, ...], clock: Clock, *, threads: int = 1, cache: Path | None = None
    ) -> None:
        self._clock = clock
        self._compiled = _compile(path, shape, threads, cache)
        self._request = self._compiled.create_infer_request()
        self._names = [(index, output.names) for index, output in enumerate(self._compiled.outputs) if output.names]
        self._turn = threading.Lock()

    @property
    def precision(self) -> str:
        """What it computes in: f32, bf16 or f16."""
        return str(self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string())

    def run(self, tensor: NDArray[Any]) -> tuple[Outputs, float]:
        """Outputs by every name they have, copied, and the seconds it took. Blocks; releases the interpreter's lock."""
        if not self._turn.acquire(timeout=_PATIENCE):
            message = f"the network was not free within {_PATIENCE:.0f} s: the processor is overloaded or hangs"
            raise Unavailable(message)
        try:
            started = self._clock.monotonic()
            self._request.infer([tensor])
            return self._outputs(), self._clock.monotonic() - started
        except RuntimeError as error:
            message = f"OpenVINO failed on this picture: {error}"
            raise Unavailable(message) from error
        finally:
            self._turn.release()

    def _outputs(self) -> Outputs:
        outputs: Outputs = {}
        for index, names in self._names:
            array = self._request.get_output_tensor(index).data.copy()  # the next run writes over it
            outputs.update(dict.fromkeys(names, array))
        return outputs


def _compile(path: Path, shape: tuple[int, ...], threads: int, cache: Path | None) -> Any:
    try:
        import openvino
    except ImportError as error:
        message = "OpenVINO is not installed, and models need it: pip install 'gemelo[vision]'"
        raise Unavailable(message) from error
    options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads}
    if cache is not None:
        options["CACHE_DIR"] = str(cache)
    try:
        core = openvino.Core()
        model = core.read_model(path)
        model.reshape(list(shape))
        return core.compile_model(model, "CPU", options)
    except RuntimeError as error:
        message = f"OpenVINO cannot take {path}: {error}"
        raise Unavailable(message) from error
