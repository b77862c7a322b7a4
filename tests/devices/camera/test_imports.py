from __future__ import annotations

import subprocess
import sys


def test_an_idle_gateway_does_not_load_the_heavy_packages():
    code = (
        "import sys, devices.camera, devices.camera.cameras\n"
        "gallery = devices.camera.Gallery(); gallery.latest('default/gate')\n"
        "devices.camera.Camera.from_manifest({'metadata': {'name': 'a'}, 'spec': {'source': 'rtsp://h/x'}})\n"
        "print(*sorted({'av', 'numpy', 'PIL', 'openvino'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == ""
