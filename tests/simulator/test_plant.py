"""The line with settings: the same seed is the same line, and its best settings are in no corner."""

from __future__ import annotations

import statistics

from simulator.plant import POWER, RANGES, Plant


def test_the_same_seed_is_the_same_line_and_another_is_another() -> None:
    one, same, other = Plant(3), Plant(3), Plant(4)
    assert one.start() == same.start() != other.start()
    here = {"speed": 80.0, "heat": 190.0, "pressure": 3.0}
    assert one.made(**here) == same.made(**here)


def test_the_start_keeps_the_power_and_noise_is_about_the_truth() -> None:
    for seed in range(20):
        plant = Plant(seed)
        start = plant.start()
        assert plant.truth(**start).power <= POWER
        mean = statistics.fmean(plant.made(**start).pieces for _ in range(500))
        assert abs(mean / plant.truth(**start).pieces - 1) < 0.02


def test_no_best_settings_are_in_a_corner() -> None:
    for seed in range(5):
        plant = Plant(seed)
        grid = [[low + (high - low) * i / 20 for i in range(21)] for low, high in RANGES.values()]
        every = [(s, h, p) for s in grid[0] for h in grid[1] for p in grid[2] if plant.truth(s, h, p).power <= POWER]
        best = max(every, key=lambda settings: plant.truth(*settings).pieces)
        assert all(low < value < high for value, (low, high) in zip(best, RANGES.values(), strict=True))
