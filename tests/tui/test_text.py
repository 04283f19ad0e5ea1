"""How text is fitted into its place, and what the app says of latents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from spivae_tui import describe, text


def test_beta_in_true_units_is_beta_times_the_predicted_steps() -> None:
    assert text.true_beta(1 / 367, 367) == pytest.approx(1)
    assert text.true_beta(None, 367) is None
    assert text.true_beta(0.1, None) is None


@given(st.text(max_size=40), st.integers(0, 30), st.booleans(), st.booleans())
def test_a_fitted_text_has_exactly_its_width(words: str, width: int, right: bool, keep_end: bool) -> None:
    words = "".join(char for char in words if char.isprintable())
    assert cell_len(text.fit(words, width, right, keep_end)) == width


def test_latents_are_drawn_from_the_largest() -> None:
    drawn = list(describe.bars([0.5, 4.0, 0.0], 8))
    assert [label for _, label, _, _ in drawn] == ["z1", "z0", "z2"]
    assert drawn[0][2] == "█" * 8
    assert all(len(bar) == 8 for _, _, bar, _ in drawn)
