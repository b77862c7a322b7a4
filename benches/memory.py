"""How much memory does an idle gateway take, and how much with each group of its parts?

Proportional set size: private pages, and of shared ones this process's part, so other Python processes on the machine
lower it a little. Twenty simulated devices of five kinds speak to the gateway's own mosquitto meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benches.figures import Figure, show
from benches.stage import OFF, ROOT, free_port, gateway, models, pss, running
from benches.startup import DEVICES as DEVICES_STORED
from benches.startup import PROPERTIES, fill

DEVICES = 20
RULES = ROOT / "docs" / "examples" / "rules"
STREET = """
apiVersion: gemelo.dev/v1alpha1
kind: Camera
metadata: {{name: street}}
spec: {{source: {video}, loop: true, fps: 5, width: 640}}
"""


def main(quick: bool = False) -> list[Figure]:
    """MB (10⁶ bytes) after a minute, in quick mode after ten seconds."""
    seconds = 10.0 if quick else 60.0
    figures = _measured("twins, MQTT, store, page", seconds, OFF, (), "≤ 70", broker=True)
    doors = f'[inference]\nenabled = false\n[dmi]\nenabled = false\n[offload]\nlisten = "127.0.0.1:{free_port()}"\n'
    figures += _measured("and rules, and the gRPC door", seconds, doors, (RULES,), "≤ 95")
    figures += _twins(figures[0].value)
    folder = models()
    if folder is None:
        print("the figure with models is left out: they are not here, fetch them with `gemelo model pull`")
    else:
        figures += _with_models(folder, seconds)
    show(f"memory: proportional set size after {seconds:.0f} s with {DEVICES} devices", figures)
    return figures


def _twins(idle: float) -> list[Figure]:
    """What many twins add to a gateway that has just started."""
    with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as folder:
        asyncio.run(fill(Path(folder) / "data"))
        with gateway(Path(folder), f'[broker]\nlisten = "127.0.0.1:{free_port()}"\nanonymous = true\n{OFF}') as gemelo:
            more = pss(gemelo.process.pid) - idle
    return [Figure(f"{DEVICES_STORED:,} devices of {PROPERTIES} properties add", more, "MB", "≤ 150")]


def _with_models(folder: Path, seconds: float) -> list[Figure]:
    """A camera and a phone, so that all default models are loaded and at work."""
    phones = f"127.0.0.1:{free_port()}"
    sections = (
        f'[dmi]\nenabled = false\n[inference]\nmodels = {json.dumps(str(folder))}\n[offload]\nlisten = "{phones}"\n'
    )
    phone = ("phone", "--address", phones, "--fps", "2", "--pictures", str(folder / "astronaut.png"))
    with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as name:
        camera = Path(name) / "camera.yaml"
        camera.write_text(STREET.format(video=folder / "bikes.mp4"), "utf-8")
        return _measured("and the default models at work", seconds, sections, (RULES, camera), "≤ 300", phone)


def _measured(
    name: str,
    seconds: float,
    sections: str,
    manifests: Sequence[Path],
    target: str,
    *others: Sequence[str],
    broker: bool = False,
) -> list[Figure]:
    port = free_port()
    whole = f'[broker]\nlisten = "127.0.0.1:{port}"\nanonymous = true\n[twins]\nenrol = true\n{sections}'
    arguments = [word for path in manifests for word in ("--apply", str(path))]
    with tempfile.TemporaryDirectory(prefix="gemelo-bench-") as folder, ExitStack() as stack:
        gemelo = stack.enter_context(gateway(Path(folder), whole, *arguments))
        stack.enter_context(running("simulator", "fleet", "--port", str(port), "--devices", str(DEVICES)))
        for other in others:
            stack.enter_context(running("simulator", *other))
        time.sleep(seconds)
        figures = [Figure(name, pss(gemelo.process.pid), "MB", target)]
        if broker:
            figures.append(Figure("its mosquitto, apart", pss(gemelo.broker), "MB"))
        return figures


if __name__ == "__main__":
    main("--quick" in sys.argv)
