"""The `[web]` section."""

from __future__ import annotations

import pytest

from twins.errors import Rejected
from web.config import WebConfig

TOKEN = "correct-horse-battery"


@pytest.mark.parametrize(
    ("listen", "token", "said"),
    [
        ("0.0.0.0:8080", "", "no token"),
        ("[::]:8080", "", "no token"),
        ("127.0.0.1", "", "host:port"),
        ("127.0.0.1:x", "", "host:port"),
        ("127.0.0.1:70000", "", "host:port"),
        ("0.0.0.0:8080", "short", "at least 16"),
    ],
)
def test_a_door_that_cannot_be_meant_is_refused_with_a_way_out(listen, token, said):
    with pytest.raises(Rejected, match=said):
        WebConfig(listen=listen, token=token, certificate="c").endpoint()


def test_a_token_is_not_sent_in_the_clear_over_the_network():
    with pytest.raises(Rejected, match="set cert_file and key_file, or behind_tls_proxy = true"):
        WebConfig(listen="0.0.0.0:8080", token=TOKEN).endpoint()
    with pytest.raises(Rejected, match="no token"):
        WebConfig(listen="0.0.0.0:8080", behind_tls_proxy=True).endpoint()


@pytest.mark.parametrize("lock", [{"certificate": "c"}, {"behind_tls_proxy": True}])
def test_the_network_may_reach_a_gateway_with_a_token_and_tls(lock):
    assert WebConfig(listen="0.0.0.0:8080", token=TOKEN, **lock).endpoint() == ("0.0.0.0", 8080)


def test_this_machine_needs_neither():
    assert WebConfig(listen="[::1]:80").endpoint() == ("::1", 80)
