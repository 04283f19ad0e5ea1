"""Parts of a grid in words."""

import numpy as np
import pytest

from spivae.dataset import Grid
from spivae.errors import SpivaeError
from spivae.subgrid import Subgrid
from spivae_plugins.sbm import ScaledBrownianMotion

NAMES = ("alpha", "D")
CELLS = Grid.of(ScaledBrownianMotion()).cells


def kept(text):
    return CELLS[Subgrid.parse(text, NAMES).keeps(NAMES, CELLS)]


def test_a_range_keeps_both_of_its_ends():
    found = kept("alpha = 0.28..0.6 , D=1e-3")
    np.testing.assert_allclose(np.unique(found[:, 0]), [0.28, 0.36, 0.44, 0.52, 0.6])
    np.testing.assert_allclose(np.unique(found[:, 1]), [1e-3])


def test_values_match_at_the_digits_that_a_file_keeps():
    assert len(kept("D=2.15e-5")) == 21  # 2.15443469e-05


def test_nothing_said_keeps_all():
    assert len(kept("")) == len(CELLS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alpha", "needs NAME=VALUE"),
        ("alpha=1, alpha=0.2", "each name once"),
        ("k=1", "no parameter 'k'; there are alpha, D"),
        ("alpha=low", "no number"),
        ("alpha=1..0.2", "1 is not below 0.2"),
        ("alpha=nan", "not below"),
        ("alpha=1.9..3", "alpha has 21 values from 0.2 to 1.8"),
        ("alpha=1, D=1", "D has 1e-05, 2.15e-05"),
    ],
)
def test_what_is_wrong_is_said(text, message):
    with pytest.raises(SpivaeError, match=message.replace("..", r"\.\.")):
        kept(text)
