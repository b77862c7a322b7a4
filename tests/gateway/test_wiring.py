"""Sections of the file to the sections of parts."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from gateway import wiring
from gateway.config import Config, parse
from twins.errors import Rejected

ROOT = Path(__file__).parents[2]
DIGEST = hashlib.sha256(b"secret").hexdigest()


def config(text: str, folder: Path) -> Config:
    return parse(text, where="test", folder=folder)


def test_the_page_gets_the_names_by_which_it_may_be_called_and_its_limits(tmp_path: Path) -> None:
    found = wiring.web(config('[web]\nhosts = ["edge-1.local"]\nbehind_tls_proxy = true\nviewers = 3', tmp_path))
    assert (found.hosts, found.behind_tls_proxy, found.viewers) == (("edge-1.local",), True, 3)


def test_the_edge_api_has_the_token_the_certificate_and_the_names_of_the_page(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-token-of-20-letters\n")
    page = 'token_file = "token"\ncert_file = "c"\nkey_file = "k"\nhosts = ["edge-1.local"]\nviewers = 3'
    edge = 'enabled = true\nlisten = "0.0.0.0:10550"\nwatches = 9'
    found = wiring.edge_api(config(f"[web]\n{page}\n[edge_api]\n{edge}", tmp_path))
    assert found is not None
    assert (found.endpoint(), found.token, found.viewers) == (("0.0.0.0", 10550), "a-token-of-20-letters", 9)
    assert (found.certificate, found.key, found.hosts) == (str(tmp_path / "c"), str(tmp_path / "k"), ("edge-1.local",))


def test_the_edge_api_is_off_until_it_is_turned_on(tmp_path: Path) -> None:
    assert wiring.edge_api(config("", tmp_path)) is None
    assert wiring.edge_api(config('[edge_api]\nenabled = true\nlisten = ""', tmp_path)) is None


def test_an_edge_api_that_the_network_could_open_is_refused_with_the_keys_that_lock_it(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=r"edge_api.listen .* no token is set: .* \(token and certificate are those of"):
        wiring.edge_api(config('[edge_api]\nenabled = true\nlisten = "0.0.0.0:10550"', tmp_path))


def test_the_tokens_of_phones_come_from_their_file(tmp_path: Path) -> None:
    pytest.importorskip("grpc")
    (tmp_path / "tokens").write_text(f"phone-1 {DIGEST}\n")
    keys = 'tokens_file = "tokens"\ncert_file = "c"\nkey_file = "k"\nclient_ca_file = "ca"\nmax_devices = 7'
    found = wiring.offload(config(f'[offload]\nlisten = "0.0.0.0:50051"\n{keys}', tmp_path))
    assert found is not None
    assert (found.tokens, found.client_ca_file, found.max_devices) == ({"phone-1": DIGEST}, tmp_path / "ca", 7)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ('tokens_file = "absent"', "offload.tokens_file: .*absent cannot be read: No such file"),
        ('tokens_file = "bad"', "offload.tokens_file: .*bad: line 1 is not"),
        ('listen = "0.0.0.0:50051"', "can be reached from the network"),
    ],
)
def test_a_door_for_phones_that_cannot_be_meant_is_refused(tmp_path: Path, keys: str, reason: str) -> None:
    pytest.importorskip("grpc")
    (tmp_path / "bad").write_text("phone-1 secret\n")
    with pytest.raises(Rejected, match=reason):
        wiring.offload(config(f"[offload]\n{keys}", tmp_path))


KEY = re.compile(r"\[(web|edge_api|offload|broker)\] (?:\w+ and )?(\w+)")


def test_every_key_that_a_door_names_exists() -> None:
    """Messages say `[section] key`; a key that is not there would be refused."""
    files = [file for folder in ("devices", "web", "gateway") for file in (ROOT / folder).rglob("*.py")]
    named = {found for file in files for found in KEY.findall(file.read_text("utf-8"))}
    assert len(named) > 8
    absent = {(section, key) for section, key in named if not hasattr(getattr(Config(), section), key)}
    assert absent == set()
