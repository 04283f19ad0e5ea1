"""Volatility: how each latent goes along with the parameter that drives the process."""

from dataclasses import dataclass

import numpy as np

from spivae.api import (
    NO_LATENTS,
    Analysis,
    Axis,
    Figure,
    Panel,
    Points,
    Result,
    SpivaeError,
    hookimpl,
    option,
)


@dataclass(frozen=True)
class Options:
    parameter: str | None = option(None, "the parameter (default: the process's first)")


class Volatility(Analysis):
    name = "volatility"
    title = "Volatility"
    order = 1  # among the first tabs
    options = Options

    def compute(self, context):
        """Arrays `value` (n,) of the parameter and `mu` (n, Z); `correlations`, one for each latent."""
        parameters = {parameter.name: parameter for parameter in context.process.parameters}
        name = context.options.parameter or next(iter(parameters))
        if name not in parameters:
            raise SpivaeError(f"option parameter: no {name!r}; there are {', '.join(parameters)}")
        mu = context.predictions.mu
        known = np.isfinite(mu).all(axis=1)
        value = context.dataset.column(name)[known]
        scaled = parameters[name].to_scale(value)
        return Result(
            arrays={"value": value, "mu": mu[known]},
            scalars={
                "parameter": parameters[name].label,
                "scale": parameters[name].scale,
                "correlations": [correlation(scaled, latent) for latent in mu[known].T],
            },
        )

    def figure(self, result):
        if not result.arrays["mu"].shape[1]:
            return Figure(panels=(), title=self.title, caption=NO_LATENTS)
        told = result.scalars
        panels = [
            Panel(
                title=f"Latent {k}" + ("" if found is None else f": r = {found:.2f}"),
                x=Axis(label=told["parameter"], scale=told["scale"]),
                y=Axis(label="μ"),
                marks=(Points(x=result.arrays["value"], y=result.arrays["mu"][:, k], color=k % 6),),
            )
            for k, found in enumerate(told["correlations"])
        ]
        return Figure(panels=tuple(panels), title=self.title)


def correlation(x, y):
    """Pearson's r, or None where one of them does not vary."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


@hookimpl
def register_analyses(register):
    register(Volatility())
