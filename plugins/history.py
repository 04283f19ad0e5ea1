"""Training: how a model came to be, as its file tells: losses, latents and parameter cells, epoch by epoch.

Everything here is of the validations, which are made at the end of each epoch of the training; no trajectory
is made or predicted. A file's history has the cells of a few epochs alone, so that it stays small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spivae.api import (
    NO_CELLS,
    Analysis,
    Axis,
    Figure,
    Result,
    TrainedCells,
    TrainingCurves,
    axes_of,
    describe,
    hookimpl,
    option,
    training_panels,
)

NO_HISTORY = "There is no history in this file's header; the original's files keep none."


@dataclass(frozen=True)
class Options:
    x: str = option("epoch", "draw along epochs, or along steps (batches)", choices=("epoch", "step"))
    kl_scale: str = option(
        "log", "axis of the latents' KL; symlog has beta beside it", choices=("log", "symlog")
    )


class History(Analysis):
    name = "history"
    title = "Training"
    order = 15
    options = Options
    needs = ()

    def compute(self, context):
        """Arrays of the epochs: `epoch`, `step`, `train_loss`, `nll`, `neg_elbo`, `beta`, `kl` (e, Z).

        `phases` (p,) are the ends of all phases but the last. Where cells were recorded, `cell_epochs` (k,)
        are the indices of their epochs, `cell_nll` (k, cells), `cell_mu` (Z, cells) and `values_0`, ... the
        grid.
        """
        history, options = context.checkpoint.history, context.options
        if not history:
            return Result(scalars={"epochs": 0})
        kl = rows([record.get("kl") or [] for record in history], len(history[-1].get("kl") or []))
        arrays = {key: column(history, key) for key in ("epoch", "step", "train_loss", "nll", "neg_elbo")}
        arrays |= {"beta": column(history, "beta"), "kl": kl}
        phase = column(history, "phase")
        ends = np.flatnonzero(np.diff(phase)) if np.isfinite(phase).all() else np.zeros(0, dtype=int)
        arrays |= {"phases": arrays[options.x][ends], **cells_of(context, history)}
        known = np.isfinite(arrays["neg_elbo"]).any()
        best = int(np.nanargmin(arrays["neg_elbo"])) if known else None
        return Result(
            arrays=arrays | {"x": np.array([options.x]), "kl_scale": np.array([options.kl_scale])},
            scalars={
                "epochs": len(history),
                "phases": len(ends) + 1,
                "nll": arrays["nll"][-1],
                "neg_elbo": arrays["neg_elbo"][-1],
                "surviving": list(history[-1].get("surviving") or []),
                "best_neg_elbo": arrays["neg_elbo"][best] if known else None,
                "best_epoch": arrays["epoch"][best] if known else None,
            },
        )

    def figure(self, result):
        found = result.scalars
        if not found["epochs"]:
            return Figure(panels=(), title=self.title, caption=NO_HISTORY)
        arrays = result.arrays
        unit, scale = arrays["x"].item(), arrays["kl_scale"].item()
        places = arrays[unit]
        x = Axis(label=unit, low=0.0, high=float(places[-1]))
        panels = training_panels(curves_of(arrays, places), x, (scale,))
        caption = said_of(found, arrays["epoch"][-1])
        if "cell_nll" not in arrays:
            caption = f"{caption} {NO_CELLS}"
        return Figure(panels=panels, title=self.title, caption=caption, columns=2)


def said_of(found, last_epoch):
    """How good it was when, in a sentence."""
    phases = f"{last_epoch:.0f} ({found['phases']} phase{'s' if found['phases'] > 1 else ''})"
    if found["best_epoch"] is None:
        return f"No -ELBO is known at any epoch up to {phases}."
    return f"Best -ELBO {found['best_neg_elbo']:.4f} at epoch {found['best_epoch']:.0f} of {phases}."


def column(history, key):
    """A number of each record (e,); NaN where it is missing or was not finite."""
    values = [record.get(key) for record in history]
    return np.array([math.nan if value is None else value for value in values], dtype=float)


def rows(lists, width):
    """Lists of numbers as a table (n, width); NaN for None, and a row of NaN for a list of another length."""
    fitting = [values if len(values) == width else [None] * width for values in lists]
    return np.array(fitting, dtype=float).reshape(len(lists), width)


def cells_of(context, history):
    """The arrays of the cells; none where none were recorded, or the file does not tell their grid."""
    ds_args, parameters = context.checkpoint.ds_args, context.process.parameters
    grid = [np.array(ds_args.get(p.name, ()), dtype=float).ravel() for p in parameters]
    count = math.prod(map(len, grid))
    having = [k for k, record in enumerate(history) if len(record.get("nll_cells") or ()) == count]
    if not having or not count:
        return {}
    arrays = {
        "cell_epochs": np.array(having),
        "cell_nll": rows([history[k]["nll_cells"] for k in having], count),
        **describe(parameters),
        **{f"values_{k}": values for k, values in enumerate(grid)},
    }
    if history[-1].get("mu_cells"):
        arrays["cell_mu"] = rows(history[-1]["mu_cells"], count)
    return arrays


def curves_of(arrays, places):
    """What `training_panels` draws."""
    begins = np.concatenate([[0.0], places[:-1]])
    return TrainingCurves(
        x=places,
        loss=arrays["train_loss"],
        kl=arrays["kl"],
        beta=np.repeat(arrays["beta"], 2),
        beta_at=np.stack([begins, places], axis=1).ravel(),  # it holds for a whole epoch
        ends=places,
        validation=arrays["nll"] + arrays["beta"] * arrays["kl"].sum(axis=1),
        nll=arrays["nll"],
        neg_elbo=arrays["neg_elbo"],
        phases=arrays["phases"],
        true_beta=weight_of(arrays),
        cells=trained_cells(arrays, places) if "cell_nll" in arrays else None,
    )


def weight_of(arrays):
    """The weight of the KL in the -ELBO, 1 / predicted steps, as the records tell; None where they do not."""
    kl = arrays["kl"].sum(axis=1)
    known = np.isfinite(arrays["neg_elbo"] - arrays["nll"]) & (kl > 0)
    if not known.any():
        return None
    return float(np.median((arrays["neg_elbo"] - arrays["nll"])[known] / kl[known]))


def trained_cells(arrays, places):
    axes = axes_of(arrays)
    return TrainedCells(
        axes=axes,
        values=[arrays[f"values_{k}"] for k in range(len(axes))],
        at=places[arrays["cell_epochs"]],
        nll=arrays["cell_nll"],
        mu=arrays.get("cell_mu"),
    )


@hookimpl
def register_analyses(register):
    register(History())
