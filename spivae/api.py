"""All that a plugin imports. A change here is told under "Plugin API" in the changelog."""

from spivae.analysis import (
    Analysis,
    Context,
    NoOptions,
    Option,
    Result,
    option,
)
from spivae.dataset import CellIndex, Dataset, Grid
from spivae.errors import SpivaeError
from spivae.figure.against import (
    abscissas,
    axes_of,
    describe,
    edges_around,
    edges_of,
    evenly,
    expected,
    nearest,
)
from spivae.figure.spec import (
    Axis,
    Figure,
    Heatmap,
    Histogram,
    HLine,
    Line,
    Panel,
    Points,
    Text,
    VLine,
)
from spivae.hookspecs import hookimpl
from spivae.model.latents import NO_LATENTS, SURVIVING_KL, check_latent, surviving
from spivae.prediction import Predictions
from spivae.process import Array, Parameter, Process

__all__ = [
    "NO_LATENTS",
    "SURVIVING_KL",
    "Analysis",
    "Array",
    "Axis",
    "CellIndex",
    "Context",
    "Dataset",
    "Figure",
    "Grid",
    "HLine",
    "Heatmap",
    "Histogram",
    "Line",
    "NoOptions",
    "Option",
    "Panel",
    "Parameter",
    "Points",
    "Predictions",
    "Process",
    "Result",
    "SpivaeError",
    "Text",
    "VLine",
    "abscissas",
    "axes_of",
    "check_latent",
    "describe",
    "edges_around",
    "edges_of",
    "evenly",
    "expected",
    "hookimpl",
    "nearest",
    "option",
    "surviving",
]
