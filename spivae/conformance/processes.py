"""Checks of a process: what it is called, what it draws, and that it draws for each row alone."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import random
import time
import warnings
from collections.abc import Callable

import numpy as np

from spivae.conformance.checking import Broken, Check, each, require
from spivae.conformance.theory import THEORY, Draw
from spivae.conformance.words import check_name
from spivae.errors import SpivaeError
from spivae.process import Array, Process

STEPS = 64
MOST = 4  # parameters whose ranges have all their corners looked at: 2**4
FAST = 1e6  # displacements a second, below which training waits for the data


def points_of(process: Process) -> Array:
    """The corners of the parameters' ranges and their middle (k, p), those of many parameters in part."""
    ends = [(parameter.low, parameter.high) for parameter in process.parameters]
    middle = [
        float(parameter.from_scale(float(np.mean(parameter.to_scale(np.array(end))))))
        for parameter, end in zip(process.parameters, ends, strict=True)
    ]
    if len(ends) <= MOST:
        corners = list(itertools.product(*ends))
    else:
        low, high = zip(*ends, strict=True)
        corners = [low, high]
        for k in range(len(ends)):
            corners += [(*low[:k], high[k], *low[k + 1 :]), (*high[:k], low[k], *high[k + 1 :])]
    return np.array([*corners, middle])


def draw(process: Process, theta: Array, steps: int, seed: int = 0) -> Array:
    """Displacements, with their shape and dtype checked."""
    drawn = process.displacements(np.random.default_rng(seed), theta, steps)
    require(isinstance(drawn, np.ndarray), f"displacements gave {type(drawn).__name__}, not an array")
    require(
        drawn.shape == (len(theta), steps),
        f"displacements of theta {theta.shape} and {steps} steps are {drawn.shape}, "
        f"not {(len(theta), steps)}",
    )
    require(drawn.dtype in (np.float32, np.float64), f"displacements are {drawn.dtype}, not float32 or 64")
    return drawn


def metadata(process: Process) -> str:
    check_name("process", process.name)
    require(process.parameters, "has no parameters")
    for parameter in process.parameters:
        check_name("parameter", parameter.name)
        require(parameter.points >= 2, f"parameter {parameter.name}: a grid needs points >= 2")
        require(
            np.isfinite([parameter.low, parameter.high]).all(), f"parameter {parameter.name}: endless range"
        )
    require(len(set(process.names)) == len(process.names), "two parameters have one name")
    undocumented = [parameter.name for parameter in process.parameters if not parameter.doc]
    return f"without a doc: {', '.join(undocumented)}" if undocumented else ""


def shapes_and_dtypes(process: Process) -> str:
    points = points_of(process)
    drawn = draw(process, points, STEPS)
    require(np.ptp(drawn) > 0, "all displacements are equal")
    return f"{drawn.dtype}"


def one_trajectory_and_one_step(process: Process) -> str:
    points = points_of(process)
    for n, steps in ((1, STEPS), (len(points), 1), (1, 1)):
        draw(process, points[:n], steps)
    return ""


def parameters_of_each_row(process: Process) -> str:
    low = [parameter.low for parameter in process.parameters]
    high = [parameter.high for parameter in process.parameters]
    n = 2000
    mixed = draw(process, np.tile([low, high], (n, 1)), STEPS, seed=1)
    for k, corner in enumerate((low, high)):
        alone = draw(process, np.tile([corner], (n, 1)), STEPS, seed=2 + k)
        for feature in (_reach, _activity):
            require(
                _distance(feature(mixed[k::2]), feature(alone)) < 2.5,  # of Kolmogorov's law: p < 1e-5
                f"rows with {dict(zip(process.names, corner, strict=True))} move in another way beside "
                "other rows than alone: give each row of theta its own displacements",
            )
    return ""


def _reach(drawn: Array) -> Array:
    return np.asarray(np.abs(drawn.sum(axis=1)))


def _activity(drawn: Array) -> Array:
    return np.asarray(np.abs(drawn).mean(axis=1))


def _distance(first: Array, second: Array) -> float:
    """The two-sample Kolmogorov-Smirnov statistic, scaled to Kolmogorov's law."""
    both = np.concatenate([first, second])
    between = [np.searchsorted(np.sort(one), both, side="right") / len(one) for one in (first, second)]
    n = len(first) * len(second) / len(both)
    return float(np.abs(between[0] - between[1]).max() * np.sqrt(n))


def equal_rng_equal_displacements(process: Process) -> str:
    points = points_of(process)
    first, again = draw(process, points, STEPS, seed=5), draw(process, points, STEPS, seed=5)
    require(
        np.array_equal(first, again, equal_nan=True),
        "two calls with equal rng differ: take every random number from rng, and keep nothing between calls",
    )
    require(
        not np.array_equal(first, draw(process, points, STEPS, seed=6)),
        "another rng gives the same displacements",
    )
    return ""


def global_state_untouched(process: Process) -> str:
    theta = points_of(process)
    given = theta.copy()
    before = _global_state()
    draw(process, theta, STEPS)
    for name, state in _global_state().items():
        require(state == before[name], f"displacements changed {name}")
    require(np.array_equal(theta, given), "displacements changed theta")
    return ""


def _global_state() -> dict[str, object]:
    return {
        "numpy's global random state": str(np.random.get_state(legacy=False)),  # noqa: NPY002  # is looked at
        "the random state of Python": random.getstate(),
        "numpy's error handling": np.geterr(),
        "the environment": dict(os.environ),
        "the working directory": os.getcwd(),
    }


def nothing_printed(process: Process) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        draw(process, points_of(process), STEPS)
    require(not said.getvalue(), f"displacements print {said.getvalue()[:60]!r}")
    return ""


def rows_independent_of_others(process: Process) -> str:
    points = points_of(process)
    same = np.repeat(points[-1:], len(points), axis=0)
    same[1:] = points[:-1]
    first = draw(process, same, STEPS, seed=7)
    other = draw(process, np.concatenate([same[:1], np.flip(same[1:], axis=0)]), STEPS, seed=7)
    require(
        np.array_equal(first[0], other[0]),
        "the first row depends on the parameters of the others: with equal rng it could be the same "
        "(this costs nothing but comparability)",
    )
    return ""


def finite_in_single_precision(process: Process) -> str:
    points = points_of(process)
    theta = np.repeat(points, 20, axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        drawn = draw(process, theta, 400).astype(np.float32)
    broken = ~np.isfinite(drawn).all(axis=1)
    if broken.any():
        worst = dict(zip(process.names, theta[int(np.argmax(broken))].tolist(), strict=True))
        raise Broken(f"displacements at {worst} are not finite in float32")
    return ""


def nonsense_refused(process: Process) -> str:
    middle = points_of(process)[-1]
    for k, parameter in enumerate(process.parameters):
        wrong = [float("nan"), *([-parameter.low] if parameter.scale == "log" else [])]
        for value in wrong:
            theta = np.tile(middle, (3, 1))
            theta[:, k] = value
            try:
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("ignore")
                    drawn = draw(process, theta, STEPS)
            except (SpivaeError, ValueError):
                continue
            require(
                not np.isfinite(drawn).all(),
                f"{parameter.name} = {value:g} gives finite displacements: call self.check(theta), or "
                "give NaN",
            )
    return ""


def speed(process: Process) -> str:
    theta, steps = np.tile(points_of(process), (2000, 1))[:2000], 400
    draw(process, theta[:10], steps)
    begin = time.perf_counter()
    draw(process, theta, steps)
    rate = theta.shape[0] * steps / (time.perf_counter() - begin)
    require(rate > FAST, f"{rate / 1e6:.2g} million displacements a second: draw whole arrays, not rows")
    return f"{rate / 1e6:.2g} million displacements a second"


def _against(look: Callable[[Process, Array, Draw], str]) -> Callable[[Process], str]:
    return lambda process: look(process, points_of(process), draw)


CHECKS: dict[str, Callable[[Process], str]] = {
    "metadata": metadata,
    "shapes and dtypes": shapes_and_dtypes,
    "one trajectory and one step": one_trajectory_and_one_step,
    "parameters of each row": parameters_of_each_row,
    "equal rng, equal displacements": equal_rng_equal_displacements,
    "global state untouched": global_state_untouched,
    "nothing printed": nothing_printed,
    "rows independent of others": rows_independent_of_others,
    "finite in single precision": finite_in_single_precision,
    "nonsense refused": nonsense_refused,
    "speed": speed,
    **{name: _against(look) for name, look in THEORY.items()},
}
ADVISORY = {"rows independent of others", "speed"}


def checks_of_process(process: Process) -> list[Check]:
    """All checks of one process."""
    return each(f"process {process.name}", process, CHECKS, ADVISORY)
