"""Exact limits of Gaussian processes: what no model can beat, and what no estimator can.

They follow from `Process.covariance` and `Process.mean` alone; every function raises SpivaeError for a
process without a covariance (see `has_limits`). All is float64, in nats. Estimates and their spreads are on
each parameter's own scale: ln where that is log.
"""

from spivae.limits.fisher import cramer_rao, fisher_information
from spivae.limits.gaussian import conditional_log_likelihood, log_likelihood
from spivae.limits.information import Limits, entropies, limits, optimal_kl, optimal_nll, step_deviations
from spivae.limits.moments import has_limits
from spivae.limits.posterior import Posterior, posterior

__all__ = [
    "Limits",
    "Posterior",
    "conditional_log_likelihood",
    "cramer_rao",
    "entropies",
    "fisher_information",
    "has_limits",
    "limits",
    "log_likelihood",
    "optimal_kl",
    "optimal_nll",
    "posterior",
    "step_deviations",
]
