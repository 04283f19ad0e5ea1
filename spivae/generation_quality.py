"""How good the trajectories are that a model generates: their exponents and their diffusion over time.

Both are compared with the truth, and with what a finite number of trajectories lets even a perfect generator
miss: the worst of a thousand noisy ratios is well above 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spivae.dataset import Grid
from spivae.errors import SpivaeError
from spivae.estimators import Expectations, exponent, exponent_seed, ta_msd_fit, windows
from spivae.generation import begins_at, generate_like
from spivae.process import Process

if TYPE_CHECKING:
    from spivae.model.vae import WaveNetVAE

Array = npt.NDArray[Any]

DIFFUSION_WINDOW = 10  # steps that a diffusion coefficient is averaged over


@dataclass(frozen=True)
class Reading:
    """Estimates averaged over the trajectories of each cell, with standard errors, in the grid's shape."""

    mean: Array
    error: Array


@dataclass(frozen=True)
class GenerationQuality:
    """Statistics of generated trajectories in each cell of a grid, over windows of `DIFFUSION_WINDOW` steps.

    `times` (w,) are the middles of the windows on the process's clock. `drift` and `square` (shape..., w) are
    the mean displacement and mean square displacement of a step; `_theory` is what the process has there, and
    `square_noise` the standard error of `square` for exact trajectories: None where it has no closed form.
    `alpha` is read by an estimator that is right for the process, `alpha_seed` by the seed's; None where none
    is. `not_finite` counts trajectories that ran away; their cells are NaN.
    """

    grid: Grid
    per_cell: int
    length: int
    begins_at: int
    not_finite: int
    times: Array
    drift: Array
    square: Array
    drift_theory: Array | None = None
    square_theory: Array | None = None
    square_noise: Array | None = None
    alpha: Reading | None = None
    alpha_seed: Reading | None = None

    @property
    def diffusivity_ratio(self) -> Array | None:
        """D(t) = <dx^2> / 2 over its theory, (shape..., w)."""
        return None if self.square_theory is None else self.square / self.square_theory

    @property
    def diffusivity_worst_ratio(self) -> float | None:
        """The worst of that ratio and its inverse, over cells and windows."""
        ratio = self.diffusivity_ratio
        if ratio is None:
            return None
        with np.errstate(divide="ignore"):
            return float(np.maximum(ratio, 1 / ratio).max())

    @property
    def diffusivity_worst_noise(self) -> float | None:
        """What the worst ratio would be for exact trajectories, half of the times: noise alone."""
        if self.square_noise is None or self.square_theory is None:
            return None
        return worst_of_noise(self.square_noise / self.square_theory)

    @property
    def alpha_mae(self) -> float | None:
        """Mean over cells of the absolute error of alpha."""
        if self.alpha is None:
            return None
        axis = self.grid.names.index("alpha")
        shape = [-1 if k == axis else 1 for k in range(len(self.grid.shape))]
        return float(np.abs(self.alpha.mean - self.grid.values["alpha"].reshape(shape)).mean())

    @property
    def alpha_mae_noise(self) -> float | None:
        """What that would be without any bias, from the standard errors of the cells."""
        return None if self.alpha is None else float(math.sqrt(2 / math.pi) * self.alpha.error.mean())

    def to_json(self) -> dict[str, Any]:
        """The keys of `generation` in `spivae evaluate --json`; what is not known is None."""
        return {
            "per_cell": self.per_cell,
            "length": self.length,
            "alpha_mae": self.alpha_mae,
            "alpha_mae_noise": self.alpha_mae_noise,
            "diffusivity_worst_ratio": self.diffusivity_worst_ratio,
            "diffusivity_worst_noise": self.diffusivity_worst_noise,
            "not_finite": self.not_finite,
        }


def generation_quality(
    model: WaveNetVAE,
    process: Process,
    grid: Grid,
    per_cell: int,
    length: int,
    rng: np.random.Generator,
    progress: Callable[[int, int], None] | None = None,
) -> GenerationQuality:
    """Encode fresh trajectories of every cell, generate from each, and judge what comes out.

    Raises SpivaeError as `judge_generated` does, and for a model without latents.
    """
    check_size(per_cell, length)
    theta = np.repeat(grid.cells, per_cell, axis=0)
    parts = generate_like(model, process, theta, length, rng, progress)
    return judge_generated(parts, process, grid, per_cell, length, begins_at(model))


def check_size(per_cell: int, length: int) -> None:
    """Raise SpivaeError for too few trajectories a cell, or too few steps, to be judged."""
    if per_cell < 2:
        raise SpivaeError(f"generated trajectories: a standard error takes 2 in each cell, not {per_cell}")
    if length < DIFFUSION_WINDOW:
        raise SpivaeError(
            f"length: D(t) is averaged over {DIFFUSION_WINDOW} steps, so at least that many, not {length}"
        )


def judge_generated(
    parts: Iterable[tuple[slice, Array]],
    process: Process,
    grid: Grid,
    per_cell: int,
    length: int,
    begins_at: int,
) -> GenerationQuality:
    """The quality of `per_cell` trajectories a cell, given as rows and their displacements (rows, length).

    Rows run over the cells of the grid in order, `per_cell` each; the first displacement begins at time
    `begins_at` of the process. Raises SpivaeError for too few trajectories or steps.
    """
    check_size(per_cell, length)
    expected = Expectations(process)
    estimators = _estimators(process, expected, begins_at)
    cells, count = grid.cells, length // DIFFUSION_WINDOW
    drift, square = np.zeros((2, len(cells), count))
    sums, squares = np.zeros((2, len(estimators), len(cells)))
    not_finite = 0
    for rows, displacements in parts:
        cell = np.arange(rows.start, rows.stop) // per_cell
        not_finite += int((~np.isfinite(displacements).all(axis=1)).sum())
        with np.errstate(over="ignore", invalid="ignore"):  # those are counted, and make their cells NaN
            steps = windows(displacements.astype(np.float64), DIFFUSION_WINDOW)
            np.add.at(drift, cell, steps.mean(axis=-1))
            np.add.at(square, cell, np.square(steps).mean(axis=-1))
            for k, estimate in enumerate(estimators):
                found = estimate(displacements)
                np.add.at(sums[k], cell, found)
                np.add.at(squares[k], cell, found**2)

    def by_cell(values: Array) -> Array:
        return values.reshape(*grid.shape, *values.shape[1:])

    readings = []
    for total, total_squares in zip(sums, squares, strict=True):
        mean = total / per_cell
        variance = np.maximum(total_squares - per_cell * mean**2, 0) / (per_cell - 1)
        readings.append(Reading(by_cell(mean), by_cell(np.sqrt(variance / per_cell))))
    theory = expected.window_squares(cells, length, begins_at, DIFFUSION_WINDOW)
    mean_theory = expected.mean(cells, length, begins_at)
    return GenerationQuality(
        grid=grid,
        per_cell=per_cell,
        length=length,
        begins_at=begins_at,
        not_finite=not_finite,
        times=begins_at + DIFFUSION_WINDOW * (np.arange(count) + 0.5),
        drift=by_cell(drift / per_cell),
        square=by_cell(square / per_cell),
        drift_theory=None
        if mean_theory is None
        else by_cell(windows(mean_theory, DIFFUSION_WINDOW).mean(axis=-1)),
        square_theory=None if theory is None else by_cell(theory[0]),
        square_noise=None if theory is None else by_cell(theory[1]) / math.sqrt(per_cell),
        alpha=readings[0] if readings else None,
        alpha_seed=readings[1] if len(readings) > 1 else None,
    )


def _estimators(process: Process, expected: Expectations, begins_at: int) -> list[Callable[[Array], Array]]:
    """The estimator of alpha that is right for the process, and the seed's where that was meant for it.

    Where displacements are independent, the exponent shows in how their variance changes with time; where
    they are stationary, in how their sums grow with the lag.
    """
    if "alpha" not in process.names or expected.memory is None:
        return []
    if expected.memory == "stationary":
        return [lambda displacements: np.asarray(ta_msd_fit(displacements)[:, 0])]
    return [lambda displacements: exponent(displacements, begins_at), exponent_seed]


def worst_of_noise(errors: Array) -> float:
    """The median of the worst of ratios that should be 1 and their inverses, from their relative errors.

    Each is a mean of squares: a chi^2 over its number of degrees of freedom, 2 / error^2, taken as
    independent of the others (Wilson and Hilferty, PNAS 17, 684 (1931)).
    """
    known = errors[errors > 0]
    if not len(known):
        return 1.0
    kinds, counts = np.unique(np.round(known / known.max(), 3), return_counts=True)  # few of them
    width = kinds * known.max() / 3  # standard deviation of the cube root
    centre = 1 - width**2

    def below(worst: float) -> float:
        """The probability that none is worse."""
        high = (worst ** (1 / 3) - centre) / width
        low = (worst ** (-1 / 3) - centre) / width
        inside = (_normal(h) - _normal(b) for h, b in zip(high.tolist(), low.tolist(), strict=True))
        return float(math.prod(p**count for p, count in zip(inside, counts.tolist(), strict=True)))

    low, high = 1.0, 2.0
    while below(high) < 0.5:
        high *= 2
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < 0.5 else (low, middle)
    return high


def _normal(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2
