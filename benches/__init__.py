"""Benches: one file per hot path. Each has `main(quick=False)`, which prints its figures and returns them.

    python -m benches                     all, once; adds a line to history.jsonl
    python -m benches --only end_to_end --quick
    python -m benches.end_to_end          one alone, nothing is kept

A figure says little without its conditions: they are printed and kept with it. Compare ratios of one run, not rates of
two machines.
"""
