"""Our processes against stored moments of the andi_datasets package (tests/data/andi_moments.md)."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spivae.estimators import positions_of
from spivae.renewal import pareto_waits, straight_flights
from spivae_plugins.ctrw import ContinuousTimeRandomWalk
from spivae_plugins.fbm import FractionalBrownianMotion
from spivae_plugins.lw import LevyWalk
from spivae_plugins.sbm import ScaledBrownianMotion

N, STEPS = 10_000, 201
STORED: dict[tuple[str, float], list[tuple[int, int, float, float]]] = {}
with (Path(__file__).parents[1] / "data" / "andi_moments.csv").open() as file:
    for row in csv.DictReader(file):
        STORED.setdefault((row["process"], float(row["alpha"])), []).append(
            (int(row["t"]), int(row["moment"]), float(row["mean"]), float(row["standard_error"]))
        )


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def ctrw(alpha: float) -> np.ndarray:
    walk = ContinuousTimeRandomWalk().displacements(rng(), np.tile([alpha, 1.0], (N, 1)), STEPS)
    return positions_of(walk)[:, 1:]


def sbm(alpha: float) -> np.ndarray:
    drawn = ScaledBrownianMotion().displacements(rng(), np.tile([alpha, 0.5], (N, 1)), STEPS)
    return positions_of(drawn[:, 1:])


def fbm(alpha: float) -> np.ndarray:
    return positions_of(FractionalBrownianMotion().displacements(rng(), np.tile([alpha, 0.5], (N, 1)), STEPS))


def lw(alpha: float) -> np.ndarray:
    """Flights of whole steps at unit speed."""
    source = rng()
    waits = pareto_waits(source, np.full(N, 3 - alpha))
    walk = straight_flights(
        lambda rows, count: np.floor(waits(rows, count)),
        lambda rows, number, duration: source.choice((-1.0, 1.0), len(rows)),
        N,
        STEPS,
    )
    return positions_of(walk[:, 1:])


def attm(alpha: float) -> np.ndarray:
    """Spells of whole steps, with coefficients u^5 and u in (0.01, 0.9)."""
    source, chances, taken = rng(), np.full((N, 2 * STEPS), np.nan), np.zeros(N, dtype=int)

    def waits(rows: np.ndarray, count: int) -> np.ndarray:
        u = source.uniform(0.01, 0.9, (len(rows), count))
        chances[rows[:, None], taken[rows, None] + np.arange(count)] = u
        taken[rows] += count
        return np.floor(u ** (-1 / alpha))

    integral = straight_flights(waits, lambda rows, number, _: chances[rows, number] ** 5, N, STEPS)
    return positions_of(np.sqrt(2 * integral) * source.standard_normal(integral.shape))


PROCESSES: dict[str, Callable[[float], np.ndarray]] = {
    "attm": attm,
    "ctrw": ctrw,
    "fbm": fbm,
    "lw": lw,
    "sbm": sbm,
}


@pytest.mark.parametrize(("process", "alpha"), list(STORED))
def test_moments_are_those_of_the_other_package(process: str, alpha: float) -> None:
    x = PROCESSES[process](alpha)
    for t, moment, mean, error in STORED[process, alpha]:
        samples = np.abs(x[:, t]) ** moment
        both = np.hypot(error, samples.std() / np.sqrt(N))
        assert abs(samples.mean() - mean) < 4.5 * both, (t, moment)


@pytest.mark.parametrize("alpha", [0.3, 0.6, 0.9])
def test_the_exact_number_of_jumps_is_theirs_too(alpha: float) -> None:
    for t, moment, mean, error in STORED["ctrw", alpha]:
        if moment == 2:
            found = ContinuousTimeRandomWalk().msd(np.array([[alpha, 1.0]]), np.array([t + 1.0]))[0, 0]
            assert abs(found - mean) < 4.5 * error


@pytest.mark.parametrize("alpha", [1.2, 1.5, 1.8])
def test_flights_of_any_time_go_a_little_less_far_than_theirs(alpha: float) -> None:
    """What their rounding changes, as told in andi_moments.md."""
    t, _, mean, _ = STORED["lw", alpha][-1]
    found = LevyWalk().msd(np.array([[alpha, 1.0]]), np.array([float(t)]))[0, 0]
    assert 0.92 < found / mean < 0.97
