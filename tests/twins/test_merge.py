from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twins.merge import merge_desired

values = st.one_of(st.none(), st.sampled_from(["1", "2", "3"]))


def test_a_change_in_the_cloud_only_is_the_clouds() -> None:
    merge = merge_desired(base="1", edge="1", cloud="2")
    assert (merge.value, merge.winner, merge.conflict) == ("2", "cloud", False)


def test_a_change_at_the_edge_only_is_the_edges() -> None:
    merge = merge_desired(base="1", edge="2", cloud="1")
    assert (merge.value, merge.winner, merge.conflict) == ("2", "edge", False)


def test_a_change_on_both_sides_is_the_clouds_and_a_conflict() -> None:
    merge = merge_desired(base="1", edge="2", cloud="3")
    assert (merge.value, merge.winner, merge.conflict) == ("3", "cloud", True)


@given(base=values, edge=values, cloud=values)
def test_merging_again_changes_nothing(base: str | None, edge: str | None, cloud: str | None) -> None:
    first = merge_desired(base, edge, cloud)
    assert merge_desired(base=cloud, edge=first.value, cloud=cloud).value == first.value


@given(base=values, edge=values, cloud=values)
def test_nothing_is_made_up(base: str | None, edge: str | None, cloud: str | None) -> None:
    assert merge_desired(base, edge, cloud).value in {edge, cloud}
