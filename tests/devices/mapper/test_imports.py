from __future__ import annotations

import subprocess
import sys


def test_what_a_driver_is_made_of_loads_no_heavy_package() -> None:
    code = (
        "import sys, devices.mapper, devices.mapper.drivers.virtual, devices.mapper.worker\n"
        "print(*sorted({'grpc', 'google.protobuf', 'pymodbus', 'aiohttp', 'av', 'PIL', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == ""
