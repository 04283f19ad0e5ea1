"""Loss map: how well a model predicts in each part of the parameter range.

The loss here is the negative log-likelihood (NLL) per step, averaged over the trajectories of each parameter
cell. It falls with the scale of the displacements: small D gives small numbers. All is taken at z = mu, where
NLL + KL / steps is close to the negative ELBO but no bound: `spivae evaluate` averages over z ~ q(z|x).
"""

from __future__ import annotations

import numpy as np

from spivae.api import Analysis, Axis, Figure, Heatmap, Line, Panel, Result, VLine, hookimpl


class LossMap(Analysis):
    name = "loss"
    title = "Loss map"

    def compute(self, context):
        """Arrays: `nll` over the grid of the first two parameters, and their values under their own names."""
        dataset, predictions = context.dataset, context.predictions
        shown = context.process.parameters[:2]
        per_trajectory = predictions.nll.mean(axis=1, dtype=float)
        nll, kl = per_trajectory.mean(), predictions.kl.sum(axis=1, dtype=float).mean()
        grid, counts = dataset.cells.mean(per_trajectory), dataset.cells.counts
        return Result(
            arrays={
                "nll": over_first(grid, counts, len(shown)),
                "trajectories": counts.sum(axis=tuple(range(len(shown), counts.ndim))),
                **{p.name: values for p, values in zip(shown, dataset.cells.values, strict=False)},
                "parameters": np.array([p.name for p in shown]),
                "labels": np.array([p.label for p in shown]),
                "units": np.array([p.unit for p in shown]),
                "scales": np.array([p.scale for p in shown]),
            },
            scalars={
                "nll": float(nll),
                "kl": float(kl),
                "neg_elbo": float(nll + kl / predictions.nll.shape[1]),
            },
        )

    def figure(self, result):
        found, (first, *second) = result.scalars, parameters_of(result.arrays)
        curves = Panel(
            title="NLL of each cell",
            x=Axis(label=first["label"], unit=first["unit"], scale=first["scale"]),
            y=Axis(label="NLL per step", unit="nats"),
            marks=tuple(curves_of(result)),
            legend=second[0]["label"] if second else "",
        )
        caption = (
            f"Mean NLL {found['nll']:.4f}, KL {found['kl']:.2f} nats, "
            f"-ELBO {found['neg_elbo']:.4f} per step (at z = μ)"
        )
        panels = (curves, heatmap_of(result)) if second else (curves,)
        return Figure(panels=panels, title=self.title, caption=caption, columns=2)


def parameters_of(arrays):
    """For each shown parameter its name, label, unit, scale and values."""
    described = (arrays[key].tolist() for key in ("parameters", "labels", "units", "scales"))
    for name, label, unit, scale in zip(*described, strict=True):
        yield {"name": name, "label": label, "unit": unit, "scale": scale, "values": arrays[name]}


def over_first(grid, counts, keep):
    """Mean over all but the first `keep` axes, all trajectories weighing the same; NaN where none is."""
    rest = tuple(range(keep, grid.ndim))
    weight = counts.sum(axis=rest)
    total = np.where(counts > 0, grid * counts, 0).sum(axis=rest)
    return np.where(weight > 0, total / np.maximum(weight, 1), np.nan)


def curves_of(result):
    """A line of NLL against the first parameter for each value of the second, the largest on top."""
    nll, (first, *second) = result.arrays["nll"], parameters_of(result.arrays)
    x = first["values"]
    if first["name"] == "alpha" and x.min() < 1 < x.max():
        yield VLine(x=1.0, dashed=True, muted=True)  # normal diffusion
    if not second:
        yield Line(x=x, y=nll, color=0)
        return
    values = second[0]["values"]
    for k in reversed(range(len(values))):
        yield Line(x=x, y=nll[:, k], label=f"{values[k]:.3g}", shade=k / max(len(values) - 1, 1))


def heatmap_of(result):
    """The same map over both parameters, a parameter with a log scale as its decimal logarithm."""
    edges, axes = [], []
    for parameter in parameters_of(result.arrays):
        log = parameter["scale"] == "log"
        edges.append(edges_around(np.log10(parameter["values"]) if log else parameter["values"]))
        label = parameter["label"]
        axes.append(Axis(label=f"log10 {label}") if log else Axis(label=label, unit=parameter["unit"]))
    return Panel(
        title="The same as a map",
        x=axes[0],
        y=axes[1],
        marks=(
            Heatmap(x_edges=edges[0], y_edges=edges[1], values=result.arrays["nll"].T, label="NLL per step"),
        ),
    )


def edges_around(centres):
    """Edges (k + 1,) of cells around k ascending centres; one alone gets a width of 1."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


@hookimpl
def register_analyses(register):
    register(LossMap())
