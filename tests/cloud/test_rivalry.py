from __future__ import annotations

from cloud.rivalry import LONGEST, SHORT, STRIKES, TRUCE, Rivalry
from tests.cloud.stage import Edge, running, world


def test_links_that_the_cloud_takes_and_closes_again_look_like_a_second_node():
    rivalry = Rivalry()
    for _ in range(STRIKES):
        assert not rivalry.suspected
        rivalry.ended(1.0, dropped=True)
    assert rivalry.suspected
    assert rivalry.truce == TRUCE
    for _ in range(20):
        rivalry.ended(1.0, dropped=True)
    assert rivalry.truce == LONGEST
    rivalry.ended(SHORT, dropped=True)
    assert not rivalry.suspected


def test_a_cloud_that_refuses_in_between_or_a_link_that_we_ended_does_not():
    rivalry = Rivalry()
    for _ in range(2 * STRIKES):
        rivalry.ended(1.0, dropped=True)
        rivalry.refused()
    for _ in range(2 * STRIKES):
        rivalry.ended(1.0, dropped=True)
        rivalry.ended(1.0, dropped=False)
    assert not rivalry.suspected


async def test_the_second_of_two_nodes_with_one_name_is_told_and_both_give_way(options, tmp_path):
    async with (
        world(options) as place,
        running(Edge(place, tmp_path / "one", place.config())) as one,
        running(Edge(place, tmp_path / "two", place.config())) as two,
    ):
        await place.until(lambda: one.warnings or two.warnings)
        loser, winner = (one, two) if one.warnings else (two, one)
        assert "a second node of this name" in loser.warnings[0]
        assert (loser.core.state.rival, loser.core.state.phase) == (True, "offline")
        assert loser.core.state.reason == loser.warnings[0]
        await place.until(lambda: winner.core.state.phase == "online")
        links = len(place.verdicts("connected"))
        assert links <= 2 * STRIKES + 1


async def test_a_cloud_that_is_cut_again_and_again_is_not_taken_for_a_rival(options, tmp_path):
    async with world(options) as place, running(Edge(place, tmp_path / "pki", place.config())) as edge:
        for number in range(STRIKES + 1):
            await place.until(lambda n=number: len(place.verdicts("keepalive")) > n)
            place.cloud.start("cut", 0.3)
        await place.until(lambda: len(place.verdicts("keepalive")) > STRIKES + 1)
        assert edge.warnings == []
