"""Every case of the cloud's table: a whole gateway, a real mosquitto, the stand-in cloud, and TLS between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count

import pytest

from tests.conformance.sky import Sky
from tests.conformance.skycases import Case, Thing
from tests.conformance.table import certificates, cloudlink, router

CASES: list[Case] = [*cloudlink.CASES, *certificates.CASES, *router.CASES]
IDS = {
    *(f"CLD-{n:02}" for n in range(1, 23)),
    *(f"CRT-{n:02}" for n in range(1, 6)),
    *(f"RUL-{n:02}" for n in range(1, 7)),
}
"""Every case there has to be."""
_numbers = count(1)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sky]:
    with Sky(tmp_path_factory.mktemp("sky")) as sky:
        sky.until(lambda: sky.online)
        yield sky


def case_id(case: Case) -> str:
    return f"{case.id}-{case.variant}".rstrip("-")


@pytest.mark.parametrize("case", [c for c in CASES if not c.options], ids=case_id)
def test_the_case_holds(case: Case, shared: Sky) -> None:
    shared.begin()
    case.play(Thing(shared, next(_numbers)))


@pytest.mark.parametrize("case", [c for c in CASES if c.options], ids=case_id)
def test_the_case_holds_on_a_stage_of_its_own(case: Case, tmp_path_factory: pytest.TempPathFactory) -> None:
    with Sky(tmp_path_factory.mktemp(case.id), **case.options) as sky:
        if "spoilt" not in case.options:
            sky.until(lambda: sky.online)
        case.play(Thing(sky, next(_numbers)))


def test_no_case_of_the_cloud_is_missing_and_none_is_there_twice() -> None:
    assert {case.id for case in CASES} == IDS
    assert [name for name, times in Counter(map(case_id, CASES)).items() if times > 1] == []
