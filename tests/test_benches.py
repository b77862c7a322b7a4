"""Benches rot unseen: each one that needs no process of its own is run, shortly."""

from __future__ import annotations

import importlib

import pytest


@pytest.mark.parametrize("name", ["decode", "twins", "rules", "turn", "answers"])
def test_a_bench_runs(name: str) -> None:
    figures = importlib.import_module(f"benches.{name}").main(quick=True)
    assert all(figure.value > 0 for figure in figures)
