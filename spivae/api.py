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
from spivae.figure.trained_cells import TrainedCells
from spivae.figure.training import NO_CELLS, TrainingCurves, training_panels
from spivae.hookspecs import hookimpl
from spivae.identification import Identified, identify
from spivae.limits import (
    Limits,
    Posterior,
    conditional_log_likelihood,
    cramer_rao,
    entropies,
    fisher_information,
    has_limits,
    limits,
    log_likelihood,
    optimal_kl,
    optimal_nll,
    posterior,
)
from spivae.model.latents import NO_LATENTS, SURVIVING_KL, check_latent, surviving
from spivae.prediction import Predictions
from spivae.process import Array, Parameter, Process

__all__ = [
    "NO_CELLS",
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
    "Identified",
    "Limits",
    "Line",
    "NoOptions",
    "Option",
    "Panel",
    "Parameter",
    "Points",
    "Posterior",
    "Predictions",
    "Process",
    "Result",
    "SpivaeError",
    "Text",
    "TrainedCells",
    "TrainingCurves",
    "VLine",
    "abscissas",
    "axes_of",
    "check_latent",
    "conditional_log_likelihood",
    "cramer_rao",
    "describe",
    "edges_around",
    "edges_of",
    "entropies",
    "evenly",
    "expected",
    "fisher_information",
    "has_limits",
    "hookimpl",
    "identify",
    "limits",
    "log_likelihood",
    "nearest",
    "optimal_kl",
    "optimal_nll",
    "option",
    "posterior",
    "surviving",
    "training_panels",
]
