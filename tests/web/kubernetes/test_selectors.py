"""Selectors, as Kubernetes reads them."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from tests.crowding import crowding
from web.kubernetes.history import Entry
from web.kubernetes.selectors import LONGEST, selector
from web.kubernetes.status import Failure

PUMP = Entry("default", "pump-1", {"site": "north", "app.kubernetes.io/part-of": "water", "spare": ""}, 1, b"")


@pytest.mark.parametrize(
    ("labels", "selected"),
    [
        ("", True),
        ("site=north", True),
        ("site==north", True),
        ("site = south", False),
        ("site!=south", True),
        ("floor!=2", True),
        ("site in (south, north)", True),
        ("site in (south)", False),
        ("site notin (south,east)", True),
        ("floor notin (2)", True),
        ("site", True),
        ("floor", False),
        ("!floor", True),
        ("! site", False),
        ("spare=", True),
        ("floor=", False),
        ("app.kubernetes.io/part-of=water,site in (north,east),!floor", True),
        ("app.kubernetes.io/part-of=water,site in (north,east),floor", False),
    ],
)
def test_labels_select(labels, selected):
    assert selector(labels, "")(PUMP) is selected


@pytest.mark.parametrize(
    ("fields", "selected"),
    [
        ("metadata.name=pump-1", True),
        ("metadata.name==pump-2", False),
        ("metadata.namespace!=default", False),
        ("metadata.name=pump-1,metadata.namespace=default", True),
        (" metadata.name == pump-1 , metadata.namespace != default ", False),
    ],
)
def test_fields_select(fields, selected):
    assert selector("", fields)(PUMP) is selected


@pytest.mark.parametrize(
    "labels", ["site=north=south", "a b", "in (x)(", "=x", "site>1", "x" * (LONGEST + 1), ",", "ä=b"]
)
def test_what_is_no_selector_is_refused(labels):
    with pytest.raises(Failure) as failure:
        selector(labels, "")
    assert failure.value.code == 400


@pytest.mark.parametrize("letters", [" ", "a ", "(", ",", "a,", "!", "a=", "in ", "a in (", ".-_", "a/"])
def test_no_selector_takes_long_to_be_refused(letters):
    """The whole gateway would stand still meanwhile: it has one thread."""
    half = letters * (LONGEST // 2 // len(letters) - 1)
    began = time.perf_counter()
    for text in (half, f"{half}a{half}", f"a{half}?"):
        for labels, fields in ((text, ""), ("", text)):
            with suppress(Failure):
                selector(labels, fields)
    assert time.perf_counter() - began < 1.0 * crowding()


def test_a_field_that_cannot_be_selected_by_is_named_with_those_that_can():
    with pytest.raises(Failure, match=r"not supported: spec.nodeName; metadata.name and metadata.namespace are"):
        selector("", "spec.nodeName=edge-1")


def test_the_address_selects_too():
    assert not selector("", "", namespace="other")(PUMP)
    assert selector("", "", namespace="default", name="pump-1")(PUMP)
