"""What is told beside an answer of several nodes has to fit where it is told."""

from __future__ import annotations

import json

from web.nodes.question import GroupReport, NodeReport


def test_in_the_head_of_an_answer_those_who_failed_come_first_and_all_stays_short() -> None:
    nodes = [NodeReport(f"edge-{n}", n != 700, "" if n != 700 else "nicht da: über Nacht\naus") for n in range(1000)]
    report = GroupReport(True, 999, 1, ("rows of points",), tuple(nodes))
    said = report.brief(4096)
    assert len(said) < 5000
    assert said.isascii()
    assert "\n" not in said
    read = json.loads(said)
    assert (read["answered"], read["failed"], read["nodes"][0]["node"]) == (999, 1, "edge-700")


def test_a_short_report_is_told_whole() -> None:
    report = GroupReport(False, 2, 0, (), (NodeReport("a", True), NodeReport("b", True)))
    assert [one["node"] for one in json.loads(report.brief(4096))["nodes"]] == ["a", "b"]
