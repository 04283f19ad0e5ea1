"""What a recipe is going to do: learning rate and beta against the epoch, before any training."""

from __future__ import annotations

import numpy as np

from spivae.figure.spec import Axis, Figure, Line, Panel
from spivae.figure.training import beta_panel
from spivae.training.recipe import Recipe
from spivae.training.schedule import growing, one_cycle

POINTS = 200  # of each phase's cycle


def plan(recipe: Recipe) -> Figure:
    """The cycles of the learning rate, and beta with the true weight of the -ELBO marked."""
    at, rates, betas, begin = [], [], [], 0
    for phase in recipe.training.phase:
        at.append(begin + np.linspace(0, phase.epochs, POINTS))
        rates.append([one_cycle(step, POINTS, phase.lr_max)[0] for step in range(POINTS)])
        betas.append([growing(step, POINTS, phase.betas) for step in range(POINTS)])
        begin += phase.epochs
    x, lr, beta = np.concatenate(at), np.concatenate(rates), np.concatenate(betas)
    true = recipe.model_args.true_beta
    epoch = Axis(label="epoch", low=0.0, high=float(begin))
    rate = Panel(marks=(Line(x=x, y=lr, color=2),), x=epoch, y=Axis(label="learning rate", low=0.0))
    return Figure(panels=(beta_panel(x, beta, epoch, true), rate), columns=2)
