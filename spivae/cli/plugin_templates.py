"""The files of a new plugin's package. `$name`, `$module`, `$kind` and `$title` are filled in."""

from __future__ import annotations

PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "spivae-$dashed"
version = "0.1.0"
description = "$title, for spivae"
requires-python = ">=3.10"
dependencies = ["numpy", "spivae"]

[project.optional-dependencies]
dev = ["pytest"]

# This is how spivae finds it; the name on the left is the plugin's.
[project.entry-points.spivae]
$name = "$module"

[tool.setuptools]
packages = ["$module"]

[tool.pytest.ini_options]
pythonpath = ["."]
testpaths = ["tests"]
"""

README = """\
# spivae-$dashed

$title, a plugin for spivae.

    pip install -e '.[dev]'
    pytest                        # the checks of the plugin API, and tests of your own
    spivae plugin check $name
    $first_use

The plugin is `$module/__init__.py`. It imports `spivae.api` alone.
"""

TESTS = '''\
"""The plugin keeps to the plugin API; write your own tests below."""

import pytest
from spivae.conformance import checks
from $module import $class_name


@pytest.mark.parametrize("check", checks($class_name()), ids=str)
def test_conforms(check):
    check.test()
'''

PROCESS = '''\
"""$title: change this into your process."""

import numpy as np
from spivae.api import Parameter, Process, hookimpl


class $class_name(Process):
    name = "$name"
    title = "$title"
    parameters = (
        Parameter("D", low=1e-5, high=1e-2, scale="log", unit="length²/time", doc="diffusion coefficient"),
    )

    def displacements(self, rng, theta, steps):
        """Displacements (n, steps), one row for each of theta (n, parameters); all chance comes from rng."""
        return np.sqrt(2 * theta[:, :1]) * rng.standard_normal((len(theta), steps))

    # What has no closed form is left out; what needs it is then not shown.

    def msd(self, theta, t):
        """Mean squared displacement (n, len(t)) from the start to times t."""
        return 2 * theta[:, :1] * np.asarray(t, dtype=float)

    def diffusivity(self, theta, t):
        """Half the derivative of the position's variance, (n, len(t))."""
        return np.repeat(theta[:, :1], len(t), axis=1)

    def covariance(self, theta, steps):
        """Only if displacements are Gaussian: their variances (n, steps), or matrices (n, steps, steps)."""
        return np.repeat(2 * theta[:, :1], steps, axis=1)


@hookimpl
def register_processes(register):
    register($class_name())
'''

ANALYSIS = '''\
"""$title: change this into your analysis."""

from dataclasses import dataclass

import numpy as np
from spivae.api import Analysis, Axis, Figure, Histogram, Panel, Result, hookimpl, option


@dataclass(frozen=True)
class Options:
    bins: int = option(40, "bins of the histogram", low=2, high=500)


class $class_name(Analysis):
    name = "$name"
    title = "$title"
    options = Options
    needs = ("predictions",)  # or "dataset", "model", or none of them

    def compute(self, context):
        """Answer in numbers: here, how the loss is spread over the trajectories."""
        loss = context.predictions.nll.mean(axis=1, dtype=float)
        known = loss[np.isfinite(loss)]
        counts, edges = np.histogram(known, context.options.bins)
        return Result(
            arrays={"counts": counts, "edges": edges},
            scalars={"mean": float(known.mean()) if known.size else None, "left_out": len(loss) - len(known)},
        )

    def figure(self, result):
        """Draw the result alone; what displays it is not known here."""
        histogram = Histogram(edges=result.arrays["edges"], counts=result.arrays["counts"])
        axes = {"x": Axis(label="NLL per step", unit="nats"), "y": Axis(label="trajectories")}
        return Figure(title=self.title, panels=(Panel(marks=(histogram,), **axes),))


@hookimpl
def register_analyses(register):
    register($class_name())
'''
