"""Analyses of trajectories that come in parts, or that would be too many to be held."""

import numpy as np
import pytest
from analysis_contexts import context as of_data
from analysis_contexts import theoretical
from perfect_generator import Perfect

from spivae.api import SpivaeError
from spivae_plugins import data, traversal
from spivae_plugins import msd as msd_plugin
from spivae_plugins.data import Data
from spivae_plugins.exponents import Exponents
from spivae_plugins.fbm import FractionalBrownianMotion
from spivae_plugins.generation import Generated
from spivae_plugins.msd import Msd
from spivae_plugins.sbm import ScaledBrownianMotion
from spivae_plugins.traversal import Traversal

SBM, FBM = ScaledBrownianMotion(), FractionalBrownianMotion()
SIZES = [1, 8]  # where a cell is cut


class InParts(Perfect):
    """The same trajectories in three parts a cell."""

    def generate_in_parts(self, cells, per_cell, length, rng):
        for displacements in self.generate_cells(cells, per_cell, length, rng):
            yield iter(np.split(displacements, SIZES))


def diverging(displacements):
    displacements = displacements.copy()
    displacements[8, 3] = np.nan
    return displacements


def assert_close(found, wanted):
    assert set(found.arrays) == set(wanted.arrays)
    assert found.scalars == pytest.approx(wanted.scalars, rel=1e-9)
    for name, values in wanted.arrays.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(found.arrays[name], values, rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("spoil", [lambda dx: dx, diverging, lambda dx: dx * np.nan], ids=["", "one", "all"])
@pytest.mark.parametrize("process", [SBM, FBM], ids=lambda process: process.name)
@pytest.mark.parametrize("analysis", [Msd(), Exponents()], ids=lambda analysis: analysis.name)
def test_a_cell_in_parts_says_what_the_whole_says(analysis, process, spoil):
    options = analysis.options(n=20, curves=2)
    whole, parts = (made(process, options, spoil=spoil) for made in (Perfect, InParts))
    assert_close(analysis.compute(parts), analysis.compute(whole))


def test_a_traversal_never_holds_more_than_a_part_of_a_value(monkeypatch):
    made = []

    class Counting(Perfect):
        def generate(self, z, length, rng):
            made.append(len(z))
            return super().generate(z, length, rng)

    monkeypatch.setattr(traversal, "AT_ONCE", 700 * 160)
    result = Traversal().compute(Counting(SBM, Traversal.options(n=1000, values=3)))
    assert made == [700, 300] * 3
    alpha = np.array([[0.4], [1.0], [1.6]])
    np.testing.assert_allclose(result.arrays["alpha"], alpha[:, 0], atol=0.06)
    theory = alpha * 1e-3 * result.arrays["t"] ** (alpha - 1)
    np.testing.assert_allclose(result.arrays["D_t"], theory, rtol=0.1)


@pytest.mark.parametrize("analysis", [Traversal, Generated], ids=lambda analysis: analysis.name)
def test_the_length_that_is_generated_has_an_end(analysis):
    from spivae.analysis import parse_options

    with pytest.raises(SpivaeError, match="option length: 100001 is outside"):
        parse_options(analysis.options, {"length": 100_001})


def test_more_statistics_than_memory_allows_are_refused_before_any_work():
    context = Perfect(SBM, Generated.options(curves=100, panels=100, length=100_000))
    context.checkpoint.ds_args.update(
        {"alpha": np.linspace(0.2, 1.8, 100).tolist(), "D": np.geomspace(1e-5, 1e-2, 100).tolist()}
    )
    words = r"10,000 cells of 100,000 displacements need 59.6 GiB; at most 167 fit .* choose fewer curves"
    with pytest.raises(SpivaeError, match=words):
        Generated().compute(context)


def test_the_moments_of_data_are_those_of_all_parts(monkeypatch):
    theta = np.repeat([[0.5, 1e-3], [1.5, 1e-3]], 8, axis=0)
    dataset, _ = given = theoretical(SBM, theta)
    monkeypatch.setattr(data, "TOGETHER", 3)
    arrays = Data().compute(of_data(Data(), SBM, theta, given)).arrays
    x = np.cumsum(dataset.displacements[:8, 0].astype(float), axis=1)
    np.testing.assert_allclose(arrays["mean"][0], x.mean(axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(arrays["msd"][0], (x**2).mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(arrays["error"][0], x.std(axis=0, ddof=1) / np.sqrt(8), rtol=1e-9)


def test_the_msd_of_data_is_that_of_all_parts(monkeypatch):
    theta = np.repeat([[0.5, 1e-3], [1.5, 1e-3]], 8, axis=0)
    given = theoretical(SBM, theta)

    def found():
        context = of_data(Msd(), SBM, theta, given, source="data")
        context._model = Perfect(SBM, None).model
        return Msd().compute(context)

    whole = found()
    monkeypatch.setattr(msd_plugin, "TOGETHER", 3)
    assert_close(found(), whole)
