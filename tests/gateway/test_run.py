"""What the command line of `gemelo run` adds to the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.commands.run import Service
from twins.errors import Rejected


def test_a_name_on_the_command_line_takes_the_place_of_the_files_at_each_reading(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[node]\nname = "edge-1"\nsite = "mill"\n', "utf-8")
    service = Service(file, node="ip-10-0-0-7.example.internal")
    assert (service.read().node.name, service.read().node.site) == ("ip-10-0-0-7.example.internal", "mill")
    file.write_text('[node]\nname = "edge-2"\n', "utf-8")
    assert service.read().node.name == "ip-10-0-0-7.example.internal"
    assert Service(file).read().node.name == "edge-2"


@pytest.mark.parametrize("name", ["Edge 1", "edge-", "a..b", "x" * 254])
def test_a_name_that_no_node_can_have_is_refused(name: str) -> None:
    with pytest.raises(Rejected, match=r"--node: name: .* is not a DNS name"):
        Service(None, node=name).read()
