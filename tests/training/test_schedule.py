"""The one-cycle schedule hits the figures it is described by."""

from itertools import pairwise

import pytest

from spivae.training.schedule import growing, one_cycle


def test_the_cycle_starts_peaks_and_ends_where_it_should() -> None:
    steps, lr_max = 401, 1e-3
    assert one_cycle(0, steps, lr_max) == pytest.approx((lr_max / 25, 0.95))
    assert one_cycle(100, steps, lr_max) == pytest.approx((lr_max, 0.85))
    assert one_cycle(400, steps, lr_max) == pytest.approx((lr_max / 1e5, 0.95))


def test_the_rate_climbs_then_falls_and_the_momentum_mirrors_it() -> None:
    rates = [one_cycle(step, 200, 1.0) for step in range(200)]
    peak = max(range(200), key=lambda k: rates[k][0])
    assert peak in (49, 50)
    assert all(a[0] < b[0] and a[1] > b[1] for a, b in pairwise(rates[: peak + 1]))
    assert all(a[0] > b[0] and a[1] < b[1] for a, b in pairwise(rates[peak:]))


def test_a_phase_of_one_step_is_possible() -> None:
    assert one_cycle(0, 1, 1e-3)[0] > 0


def test_beta_grows_late() -> None:
    betas = [growing(step, 401, (0.1, 1.1)) for step in range(401)]
    assert betas[:241] == pytest.approx([0.1] * 241)
    assert betas[310] == pytest.approx(0.6)
    assert betas[380:] == pytest.approx([1.1] * 21)
    assert growing(7, 9, (0.3, 0.3)) == 0.3
    assert growing(0, 1, (0.1, 1.0)) == 0.1
