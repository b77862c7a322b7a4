"""Benches rot unseen: those of the core are run, shortly."""

from __future__ import annotations

import importlib

import pytest


@pytest.mark.parametrize("name", ["twins", "turn", "answers", "streams", "scores"])
def test_a_bench_runs(name: str) -> None:
    figures = importlib.import_module(f"benches.{name}").main(quick=True)
    assert all(figure.value > 0 for figure in figures)
