"""The command that makes the stand-in cloud misbehave."""

from __future__ import annotations

import argparse

from simulator import fault
from simulator.cloudcore.options import Options
from simulator.cloudcore.server import serve


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    fault.arguments(parser)
    return parser.parse_args(words)


async def test_a_fault_begins_and_is_told(tmp_path, capsys):
    async with serve(Options(data=tmp_path, https=0, ws=0, api=0)) as cloud:
        assert await fault.run(parsed("cloud", "--for", "30s", "--kind", "noack", "--api", cloud.api_url)) == 0
        assert 29 < cloud.faults.left("noack") <= 30
    assert capsys.readouterr().out == "noack for 30 s: reports are stored and not answered (0 cut now)\n"


async def test_without_a_stand_in_the_command_says_how_to_start_one(tmp_path, capsys):
    async with serve(Options(data=tmp_path, https=0, ws=0, api=0)) as cloud:
        url = cloud.api_url
    assert await fault.run(parsed("cloud", "--api", url)) == 1
    assert "gemelo-sim cloudcore" in capsys.readouterr().err
