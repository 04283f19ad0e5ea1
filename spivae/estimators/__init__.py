"""Classical estimators: mean squared displacements, correlations and exponents, in float64, without a model.

`displacements` are (n, L), one trajectory a row; `positions` (n, T) are their sums from a start at 0
(see `positions_of`), so T = L + 1. Lags are whole steps (dt = 1).
"""

from spivae.estimators.correlation import displacement_correlation
from spivae.estimators.expectations import Expectations, windows
from spivae.estimators.exponents import TeaMsd, exponent, exponent_seed, tea_msd_exponent
from spivae.estimators.fits import EnsembleFit, ensemble_fit, log_square_fit, ta_msd_fit
from spivae.estimators.msd import ea_msd, positions_of, spread_lags, ta_msd
from spivae.estimators.rows import finite_rows
from spivae.estimators.slopes import ensemble_slope, moving_slope

__all__ = [
    "EnsembleFit",
    "Expectations",
    "TeaMsd",
    "displacement_correlation",
    "ea_msd",
    "ensemble_fit",
    "ensemble_slope",
    "exponent",
    "exponent_seed",
    "finite_rows",
    "log_square_fit",
    "moving_slope",
    "positions_of",
    "spread_lags",
    "ta_msd",
    "ta_msd_fit",
    "tea_msd_exponent",
    "windows",
]
