"""All that a plugin imports. A change here is told under "Plugin API" in the changelog."""

from spivae.accuracy import uniform
from spivae.analysis import (
    Analysis,
    Context,
    NoOptions,
    Option,
    Result,
    option,
)
from spivae.autoregression import autoregressive
from spivae.blocks import fill_in_blocks
from spivae.capacity import check_capacity
from spivae.checkpoint.structs import Checkpoint
from spivae.dataset import CellIndex, Dataset, Grid
from spivae.errors import SpivaeError
from spivae.estimators import (
    EnsembleFit,
    Expectations,
    TeaMsd,
    displacement_correlation,
    ea_msd,
    ensemble_fit,
    ensemble_slope,
    exponent,
    exponent_seed,
    finite_rows,
    log_square_fit,
    moving_slope,
    positions_of,
    spread_lags,
    ta_msd,
    ta_msd_fit,
    tea_msd_exponent,
    windows,
)
from spivae.evaluation.comparison import Comparison, compare
from spivae.evaluation.knowledge import BAYES, LATENTS, MEDIAN, Knowledge, knowledge
from spivae.exporter import About, Exporter
from spivae.figure.against import (
    abscissas,
    axes_of,
    describe,
    edges_around,
    edges_of,
    error_bars,
    expected,
    family,
    few_cells,
    nearest,
)
from spivae.figure.showing import text_of
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
from spivae.generation_quality import DIFFUSION_WINDOW, judge_generated
from spivae.grids import evenly, training_grid
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
    step_deviations,
)
from spivae.model.architectures import SCALED_WAVENET_VAE, WAVENET_VAE, Architecture, Control
from spivae.model.base import Arguments
from spivae.model.latents import NO_LATENTS, SURVIVING_KL, check_latent, surviving
from spivae.normals import standard_normals
from spivae.observation import Observed
from spivae.prediction import Predictions
from spivae.process import Array, Parameter, Process
from spivae.renewal import (
    exponential_waits,
    pareto_waits,
    renewal_mean,
    renewal_sums,
    straight_flights,
)

API_VERSION = 1  # grows when a plugin that worked may not work any more

__all__ = [
    "API_VERSION",
    "BAYES",
    "DIFFUSION_WINDOW",
    "LATENTS",
    "MEDIAN",
    "NO_CELLS",
    "NO_LATENTS",
    "SCALED_WAVENET_VAE",
    "SURVIVING_KL",
    "WAVENET_VAE",
    "About",
    "Analysis",
    "Architecture",
    "Arguments",
    "Array",
    "Axis",
    "CellIndex",
    "Checkpoint",
    "Comparison",
    "Context",
    "Control",
    "Dataset",
    "EnsembleFit",
    "Expectations",
    "Exporter",
    "Figure",
    "Grid",
    "HLine",
    "Heatmap",
    "Histogram",
    "Identified",
    "Knowledge",
    "Limits",
    "Line",
    "NoOptions",
    "Observed",
    "Option",
    "Panel",
    "Parameter",
    "Points",
    "Posterior",
    "Predictions",
    "Process",
    "Result",
    "SpivaeError",
    "TeaMsd",
    "Text",
    "TrainedCells",
    "TrainingCurves",
    "VLine",
    "abscissas",
    "autoregressive",
    "axes_of",
    "check_capacity",
    "check_latent",
    "compare",
    "conditional_log_likelihood",
    "cramer_rao",
    "describe",
    "displacement_correlation",
    "ea_msd",
    "edges_around",
    "edges_of",
    "ensemble_fit",
    "ensemble_slope",
    "entropies",
    "error_bars",
    "evenly",
    "expected",
    "exponent",
    "exponent_seed",
    "exponential_waits",
    "family",
    "few_cells",
    "fill_in_blocks",
    "finite_rows",
    "fisher_information",
    "has_limits",
    "hookimpl",
    "identify",
    "judge_generated",
    "knowledge",
    "limits",
    "log_likelihood",
    "log_square_fit",
    "moving_slope",
    "nearest",
    "optimal_kl",
    "optimal_nll",
    "option",
    "pareto_waits",
    "positions_of",
    "posterior",
    "renewal_mean",
    "renewal_sums",
    "spread_lags",
    "standard_normals",
    "step_deviations",
    "straight_flights",
    "surviving",
    "ta_msd",
    "ta_msd_fit",
    "tea_msd_exponent",
    "text_of",
    "training_grid",
    "training_panels",
    "uniform",
    "windows",
]
