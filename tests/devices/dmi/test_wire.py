"""The generated messages are those of the proto."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from devices.dmi.wire import dmi_pb2 as pb

ROOT = Path(__file__).parents[3]


def test_the_generated_code_of_dmi_is_up_to_date(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools is a development dependency")
    environment = os.environ | {"PYTHON": sys.executable}
    subprocess.run([ROOT / "proto/generate.sh", tmp_path], check=True, env=environment, timeout=50)
    for name in ("dmi_pb2.py", "dmi_pb2.pyi"):
        made, kept = ((folder / "devices/dmi/wire" / name).read_text() for folder in (tmp_path, ROOT))
        assert unversioned(made) == unversioned(kept), "run proto/generate.sh"


def unversioned(text: str) -> str:
    """Without the generator's version, which differs between machines."""
    text = re.sub(r"# Protobuf Python Version: .*", "", text)
    return re.sub(r"ValidateProtobufRuntimeVersion\(.*?\)", "", text, flags=re.DOTALL)


def test_wir_01_both_services_have_kubeedges_methods() -> None:
    services = {
        name: [method.name for method in service.methods] for name, service in pb.DESCRIPTOR.services_by_name.items()
    }
    assert pb.DESCRIPTOR.package == "v1beta1"
    assert services == {
        "DeviceManagerService": ["MapperRegister", "ReportDeviceStatus", "ReportDeviceStates"],
        "DeviceMapperService": [
            "RegisterDevice",
            "RemoveDevice",
            "UpdateDevice",
            "CreateDeviceModel",
            "RemoveDeviceModel",
            "UpdateDeviceModel",
            "GetDevice",
        ],
    }
