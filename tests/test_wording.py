"""How numbers, sizes, ages and the progress of a training are written."""

import pytest

from spivae import wording


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.005, "5e-3"),
        (1 / 367, "2.72e-3"),
        (0.0, "0"),
        (0.04, "4e-2"),
        (None, "–"),
        (float("nan"), "–"),
        (1.0, "1e0"),
    ],
)
def test_beta_is_a_short_power_of_ten(value: float | None, written: str) -> None:
    assert wording.power(value) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (-5, "now"),
        (59, "now"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (86400, "1 d"),
        (60 * 86400, "1 mo"),
        (800 * 86400, "2 y"),
    ],
)
def test_ages_are_in_one_unit(seconds: float, written: str) -> None:
    assert wording.age(seconds) == written


@pytest.mark.parametrize(
    ("count", "written"), [(0, "0 B"), (999, "999 B"), (1_071_404, "1.1 MB"), (524_288, "524 kB")]
)
def test_sizes_are_decimal(count: int, written: str) -> None:
    assert wording.size(count) == written


def test_a_grid_is_told_by_its_ends() -> None:
    assert wording.short([0.2 + 0.08 * k for k in range(21)]) == "0.2 … 1.8 (21 values)"
    assert wording.short([16, 16, 16, 16]) == "4 × 16"
    assert wording.short(True) == "yes"


@pytest.mark.parametrize(
    ("done", "written"),
    [
        (0, "0/12"),
        (2 / 45, "0.04/12"),
        (2.7556, "2.75/12"),
        (11.9999, "11.99/12"),
        (12, "12/12"),
        (0.29, "0.29/12"),
    ],
)
def test_a_training_is_whole_at_its_end_alone(done: float, written: str) -> None:
    assert wording.epochs(done, 12) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (None, "–"),
        (0.44, "0.4 s"),
        (59.4, "59.4 s"),
        (59.97, "1 min 00 s"),
        (310, "5 min 10 s"),
        (7500, "2 h 05 min"),
        (3.2 * 86400, "3 d 4 h"),
    ],
)
def test_a_time_span_has_its_two_largest_units(seconds: float | None, written: str) -> None:
    assert wording.duration(seconds, 1) == written
