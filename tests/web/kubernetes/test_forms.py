"""Forms of an answer, and ages as kubectl shows them."""

from __future__ import annotations

import pytest

from web.kubernetes.forms import age, form_of
from web.kubernetes.status import Failure

KUBECTL = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "object"),
        ("*/*", "object"),
        ("application/json", "object"),
        ("application/json;charset=utf-8", "object"),
        (KUBECTL, "table"),
        (METADATA, "metadata"),
        ("application/vnd.kubernetes.protobuf;as=Table, application/json ; as=PartialObjectMetadata", "metadata"),
        ("application/json;as=Nonsense;v=v1,application/json", "object"),
        ("application/json;as=Table;v=v2,*/*", "object"),
    ],
)
def test_the_first_form_that_we_speak_is_taken(accept, form):
    assert form_of(accept) == form


@pytest.mark.parametrize("accept", ["application/vnd.kubernetes.protobuf", "text/html", "application/json;as=Else"])
def test_who_speaks_none_of_ours_is_told(accept):
    with pytest.raises(Failure) as failure:
        form_of(accept)
    assert failure.value.code == 406


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (600, "10m"),
        (10_799, "179m"),
        (10_800, "3h"),
        (11_100, "3h5m"),
        (28_800, "8h"),
        (172_799, "47h"),
        (172_800, "2d"),
        (180_000, "2d2h"),
        (691_200, "8d"),
        (63_072_000, "2y"),
        (63_158_400, "2y1d"),
        (315_360_000, "10y"),
    ],
)
def test_ages_are_those_of_kubectl(seconds, shown):
    assert age("2026-01-01T00:00:00Z", 1_767_225_600_000_000 + seconds * 1_000_000) == shown


def test_an_age_that_nobody_knows_is_said_so():
    assert age("", 0) == "<unknown>"
