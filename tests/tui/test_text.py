"""How numbers, sizes and ages are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from spivae_tui import describe, text


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
    assert text.scientific(value) == written


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
    assert text.age(seconds) == written


@pytest.mark.parametrize(
    ("count", "written"), [(0, "0 B"), (999, "999 B"), (1_071_404, "1.1 MB"), (524_288, "524 kB")]
)
def test_sizes_are_decimal(count: int, written: str) -> None:
    assert text.size(count) == written


def test_beta_in_true_units_is_beta_times_the_predicted_steps() -> None:
    assert text.true_beta(1 / 367, 367) == pytest.approx(1)
    assert text.true_beta(None, 367) is None
    assert text.true_beta(0.1, None) is None


@given(st.text(max_size=40), st.integers(0, 30), st.booleans(), st.booleans())
def test_a_fitted_text_has_exactly_its_width(words: str, width: int, right: bool, keep_end: bool) -> None:
    words = "".join(char for char in words if char.isprintable())
    assert cell_len(text.fit(words, width, right, keep_end)) == width


def test_a_grid_is_told_by_its_ends() -> None:
    assert describe.value([0.2 + 0.08 * k for k in range(21)]) == "0.2 … 1.8  (21 values)"
    assert describe.value([16, 16, 16, 16]) == "4 × 16"
    assert describe.value(True) == "yes"


def test_latents_are_drawn_from_the_largest() -> None:
    drawn = list(describe.bars([0.5, 4.0, 0.0], 8))
    assert [label for _, label, _, _ in drawn] == ["z1", "z0", "z2"]
    assert drawn[0][2] == "█" * 8
    assert all(len(bar) == 8 for _, _, bar, _ in drawn)
