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
        WebConfig(listen=listen, token=token).endpoint()


def test_the_network_may_reach_a_gateway_with_a_token():
    assert WebConfig(listen="0.0.0.0:8080", token=TOKEN).endpoint() == ("0.0.0.0", 8080)
    assert WebConfig(listen="[::1]:80").endpoint() == ("::1", 80)
