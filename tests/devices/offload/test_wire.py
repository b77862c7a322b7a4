"""The generated messages: as the proto says, in both copies, and both in one process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from devices.offload.wire import offload_pb2 as ours
from simulator.wire import offload_pb2 as theirs

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("package", ["devices/offload/wire", "simulator/wire"])
def test_the_generated_code_is_up_to_date(package: str, tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools is a development dependency")
    environment = os.environ | {"PYTHON": sys.executable}
    subprocess.run([ROOT / "proto/generate.sh", tmp_path], check=True, env=environment, timeout=50)
    for name in ("offload_pb2.py", "offload_pb2.pyi"):
        made, kept = ((folder / package / name).read_text() for folder in (tmp_path, ROOT))
        assert unversioned(made) == unversioned(kept), "run proto/generate.sh"


def unversioned(text: str) -> str:
    """Without the generator's version, which differs between machines."""
    text = re.sub(r"# Protobuf Python Version: .*", "", text)
    return re.sub(r"ValidateProtobufRuntimeVersion\(.*?\)", "", text, flags=re.DOTALL)


def test_both_copies_live_in_one_process_and_understand_each_other() -> None:
    sent = theirs.ClientMessage(frame=theirs.Frame(seq=7, format=theirs.JPEG, data=b"picture"))
    got = ours.ClientMessage.FromString(sent.SerializeToString())
    assert (got.WhichOneof("body"), got.frame.seq, got.frame.data) == ("frame", 7, b"picture")
    assert ours.Frame.DESCRIPTOR is not theirs.Frame.DESCRIPTOR


def test_what_a_later_protocol_adds_is_ignored() -> None:
    unknown_body = b"\xfa\x01\x02hi"  # field 31 of ClientMessage
    assert ours.ClientMessage.FromString(unknown_body).WhichOneof("body") is None


def test_the_door_is_imported_without_grpc() -> None:
    code = "import sys, devices.offload.server; sys.exit(any(m in sys.modules for m in ('grpc', 'google.protobuf')))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=50)
