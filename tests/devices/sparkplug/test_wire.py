"""The generated messages are those of the proto, and the proto is the specification's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from devices.sparkplug.wire import sparkplug_pb2 as pb

ROOT = Path(__file__).parents[3]
NUMBERS = {
    "Payload": {"timestamp": 1, "metrics": 2, "seq": 3},
    "Metric": {
        "name": 1,
        "alias": 2,
        "timestamp": 3,
        "datatype": 4,
        "is_historical": 5,
        "is_null": 7,
        "properties": 9,
        "int_value": 10,
        "long_value": 11,
        "float_value": 12,
        "double_value": 13,
        "boolean_value": 14,
        "string_value": 15,
        "bytes_value": 16,
    },
    "Properties": {"keys": 1, "values": 2},
    "Property": {
        "int_value": 3,
        "long_value": 4,
        "float_value": 5,
        "double_value": 6,
        "boolean_value": 7,
        "string_value": 8,
    },
}


def test_the_generated_code_of_sparkplug_is_up_to_date(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools is a development dependency")
    environment = os.environ | {"PYTHON": sys.executable}
    subprocess.run([ROOT / "proto/generate.sh", tmp_path], check=True, env=environment, timeout=50)
    for name in ("sparkplug_pb2.py", "sparkplug_pb2.pyi"):
        made, kept = ((folder / "devices/sparkplug/wire" / name).read_text() for folder in (tmp_path, ROOT))
        assert unversioned(made) == unversioned(kept), "run proto/generate.sh"


def unversioned(text: str) -> str:
    """Without the generator's version, which differs between machines."""
    text = re.sub(r"# Protobuf Python Version: .*", "", text)
    return re.sub(r"ValidateProtobufRuntimeVersion\(.*?\)", "", text, flags=re.DOTALL)


def test_the_fields_have_the_specifications_numbers() -> None:
    messages = pb.DESCRIPTOR.message_types_by_name
    assert {name: {f.name: f.number for f in m.fields} for name, m in messages.items()} == NUMBERS
