"""The seed's notebook "Analyzing SBM", step by step, with the public names of spivae alone.

    python tests/walkthrough.py [--per-cell 170] [--folder FOLDER]

prints what each step finds and draws its figures in the terminal. The steps are numbered in the notebook's
order; comments say where ours differ.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

import spivae


def walk(per_cell: int, folder: Path) -> dict[str, Any]:
    """Walk through the notebook with a test set of `per_cell` trajectories in each of 588 cells."""
    found: dict[str, Any] = {}
    process = spivae.load_plugins().process("sbm")

    # 1. Load a checkpoint, print the arguments of its data and model
    c_point, model = spivae.load_checkpoint("sbm-seed")
    ds_args, model_args = c_point.ds_args, c_point.model_args
    print(ds_args, model_args)
    found["model_args"] = model_args

    # 2. Make the test set, load any part of it. Trajectories are as many in every cell, where the notebook
    # takes 80 % of all at random; the noise comes from a seeded generator.
    Ds = np.geomspace(1e-6, 1e-1, 16)[2:-2]
    alphas = np.linspace(0.04, 1.96, 49)
    file = folder / "sbm.npz"
    rng = np.random.default_rng(0)
    test_set = spivae.simulate_grid(process, spivae.Grid({"alpha": alphas, "D": Ds}), per_cell, 399, rng)
    spivae.save_dataset(file, test_set)
    part = spivae.load_dataset(file, grid=spivae.Grid({"alpha": alphas[::8], "D": Ds[::4]}), steps=399)
    print(len(test_set), "trajectories, a part of", len(part))
    dataset = spivae.load_dataset(file)
    found["trajectories"], found["part"] = len(dataset), len(part)

    # 3. The mean loss on one batch
    beta = c_point.metrics["beta"]
    shuffled = rng.permutation(len(dataset))
    x = torch.from_numpy(dataset.displacements[shuffled[:256]])
    with torch.no_grad():
        t = model(x)
    loss_fn = spivae.Loss(model.receptive_field, model.c_channels, beta=beta, reduction="mean")
    found["batch_loss"] = loss_fn(t, x).item()
    print("RF:", model.receptive_field, "current mean loss on a batch:", found["batch_loss"])

    # 4. Predictions for the whole set, the rows of every cell, and the counts for each alpha and each D
    preds = spivae.predict(model, dataset)
    u_a, u_D = dataset.cells.values
    counts = dataset.cells.counts
    print(dataset.displacements.shape, counts.sum(1), counts.sum(0))
    found["counts"] = counts

    # 5. The mean of the output in each cell: zero, but for the largest alphas
    mu_out = dataset.cells.mean(preds.out_mean)
    found["mu_out"] = mu_out

    # 6. The diffusion coefficient that the output means, as if the process had begun with the prediction.
    # t counts from 0, which puts the first point right; the notebook starts at 1.
    R = model.receptive_field
    t_full = np.arange(preds.steps)
    t_scaling = ((1 + t_full) / (t_full + R + 1)) ** (u_a[:, None, None] - 1)
    D_out = spivae.sigma_to_D(dataset.cells.mean(preds.out_std)) * t_scaling
    theory = process.diffusivity(dataset.theta, t_full + 1.0)
    found["D_ratio"] = D_out / dataset.cells.mean(theory)
    inside = np.ix_((u_a > 0.19) & (u_a < 1.81), (u_D > 9e-6) & (u_D < 1.1e-2))
    print("D_out over theory, median in the training range:", np.median(found["D_ratio"][inside]))

    # 7. Histograms of mu and sigma^2, a row a latent
    Z = preds.mu.shape[1]
    found["mu_counts"] = [np.histogram(preds.mu[:, i], 100)[0] for i in range(Z)]
    found["sigma2_counts"] = [np.histogram(np.exp(preds.logvar[:, i]), 100)[0] for i in range(Z)]

    # 8. Which neurons are informative: the variance of the mean and the mean of the logarithmic variance
    print("Var(mu):", preds.mu.var(0), "Mean(log sigma^2):", preds.logvar.mean(0))
    print("surviving:", preds.surviving)
    found["var_mu"], found["mean_logvar"] = preds.mu.var(0), preds.logvar.mean(0)
    found["surviving"] = preds.surviving

    # 9, 10. mu against the parameters and against their combinations: by correlation instead of by eye
    against = {"alpha": dataset.column("alpha"), "log D": np.log(dataset.column("D"))}
    against |= process.combinations(dataset.theta, 400)
    for i in preds.surviving:
        for name, values in against.items():
            print(f"mu_{i} against {name}: r = {np.corrcoef(values, preds.mu[:, i])[0, 1]:.3f}")

    # 11. The distribution of a surviving neuron against the parameters and the combinations
    mu_idx = preds.surviving[0]
    found["hist2d"] = {
        name: np.histogram2d(values, preds.mu[:, mu_idx], (12, 125))[0] for name, values in against.items()
    }

    # 12. The surface of the mean of every neuron over alpha and D
    found["surfaces"] = [dataset.cells.mean(preds.mu[:, i]) for i in range(Z)]

    # 13. The loss of every step, unreduced, and its mean in each cell
    print(preds.nll.shape)
    found["nll_shape"] = preds.nll.shape
    found["loss"] = dataset.cells.mean(preds.nll.mean(1))

    # The same as figures, each an analysis that the command line and the app know by this name; and what the
    # notebook sees by eye as numbers: `encoding` names the expression that each surviving neuron follows.
    data = {"file": str(file), "per_cell": per_cell}
    answers = found["answers"] = {}
    for name in ("data", "output", "latents", "density", "surface", "loss", "encoding"):
        answer = spivae.analyze("sbm-seed", name, data=data)
        answers[name] = answer.result
        answer.show()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--per-cell", type=int, default=170, help="trajectories in each of 588 cells")
    parser.add_argument("--folder", type=Path, default=Path(), help="where the test set is written")
    arguments = parser.parse_args()
    walk(arguments.per_cell, arguments.folder)


if __name__ == "__main__":
    main()
