from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import Config, address, changed, doors, is_loopback, load, parse
from twins.errors import Rejected

FOLDER = Path("/etc/gemelo")


def read(text: str) -> Config:
    return parse(text, where="gateway.toml", folder=FOLDER)


def refusal(text: str) -> str:
    with pytest.raises(Rejected) as caught:
        read(text)
    return caught.value.reason


def test_an_empty_file_is_a_whole_configuration() -> None:
    config = read("")
    assert config.node.name == "edge-1"
    assert config.broker.url == ""
    assert config.cloud.kind == "none"


def test_every_section_of_the_skeleton_is_taken() -> None:
    config = read("""
        [node]
        name = "dock-4"
        site = "Harbour"
        labels = { zone = "north" }
        latitude = 53.5
        [broker]
        url = "mqtt://127.0.0.1:1883"
        [store]
        path = "/var/lib/gemelo"
        [cloud]
        kind = "cloudcore"
        url = "wss://cloud:10000"
        token_file = "token"
        [web]
        listen = "127.0.0.1:8080"
        [inference]
        threads = 2
        [offload]
        listen = "[::1]:50051"
        [twins]
        compat = "strict"
    """)
    assert config.node.labels == {"zone": "north"}
    assert config.cloud.token_file == FOLDER / "token"
    assert config.store.path == Path("/var/lib/gemelo")
    assert address(config.offload.listen) == ("::1", 50051)


def test_relative_paths_and_relative_defaults_count_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[manifests]\npaths = ["manifests", "/srv/more"]\n')
    config = load(file)
    assert config.store.path == tmp_path / "data"
    assert config.manifests.paths == (tmp_path / "manifests", Path("/srv/more"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[wbe]", "gateway.toml: wbe: no such key; did you mean web?"),
        ("[node]\nnam = 'x'", "node.nam: no such key; did you mean name?"),
        ("[cloud]\nkind = 'cloud-core'", "cloud.kind: 'cloud-core' is not valid; did you mean cloudcore?"),
        ("[cloud]\nkind = 'cloudcore'", 'cloud.url: missing; kind = "cloudcore" needs an address'),
        ("[web]\nlisten = '8080'", "web.listen: '8080' is not host:port"),
        ("[web]\nlisten = 'a:70000'", "web.listen: no such port: 70000"),
        ("[web]\nlisten = '127.0.0.1:50051'", "offload.listen: 127.0.0.1:50051 is already web.listen"),
        ("[web]\ncert_file = 'a'", "web: cert_file and key_file go together"),
        ("[node]\nname = 'Edge 1'", "node.name: 'Edge 1' is not a DNS name"),
        ("[node]\nname = 'edge..1'", "node.name: 'edge..1' is not a DNS name"),
        ("[store]\npath = ''", "store.path: expected a path"),
        ("[store]\nsegment_points = 0", "store.segment_points: expected int >= 1"),
        ("[node", "gateway.toml: not TOML: "),
    ],
)
def test_a_wrong_file_is_refused_with_a_way_out(text: str, message: str) -> None:
    assert message in refusal(text)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_an_unreadable_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "gateway.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Rejected, match="cannot be read"):
        load(file)


def test_a_reload_names_the_sections_that_changed() -> None:
    old = read("[node]\nname = 'a'")
    assert changed(old, read("[node]\nname = 'a'")) == set()
    assert changed(old, read("[node]\nname = 'b'\n[log]\nlevel = 'debug'")) == {"node", "log"}


def test_a_part_that_is_off_has_no_door() -> None:
    config = read("[web]\nenabled = false\n[broker]\nurl = 'mqtt://x:1883'")
    assert doors(config) == {"offload.listen": "127.0.0.1:50051"}


@pytest.mark.parametrize(
    ("host", "local"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("edge", False)]
)
def test_loopback_is_known(host: str, local: bool) -> None:
    assert is_loopback(host) is local
