"""An evaluation as one page of text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from spivae.cli.output import Styled, emit, paint
from spivae.cli.table import Cell, Column, pairs, table
from spivae.model.latents import SURVIVING_KL
from spivae.wording import fixed, nats, power

if TYPE_CHECKING:
    from spivae.accuracy import Accuracy
    from spivae.evaluation import Evaluation
    from spivae.identification import Identified
    from spivae.process import Process


def show(found: Evaluation, checkpoint: str, process: Process) -> None:
    """Print the page."""
    about = f"  {found.bound.n:,} fresh trajectories of {process.title}, seed {found.seed}"
    emit(paint(checkpoint, "heading") + paint(about, "muted"))
    for title, lines in (
        ("", _loss(found)),
        ("Against the best possible", _limits(found, process)),
        ("Latents", _latents(found)),
        ("Parameters, drawn uniformly from the training range", _accuracy(found)),
        ("Generated from encoded trajectories", _generation(found)),
    ):
        body = list(lines)
        if body:
            emit()
            if title:
                emit(paint(title, "heading"))
            for line in body:
                emit(line)


def _loss(found: Evaluation) -> Iterator[str]:
    bound = found.bound
    items = [
        ("-ELBO", f"{_with_error(bound.neg_elbo.value, bound.neg_elbo.error)} nats per step"),
        ("NLL", f"{_with_error(bound.nll.value, bound.nll.error)} nats per step, {bound.steps} steps"),
    ]
    total = len(bound.kl_latents)
    if total:
        alive = f"{len(found.surviving)} of {total} latents survive (above {SURVIVING_KL} nats)"
        items.append(("KL", f"{nats(bound.kl_latents.sum())} nats per trajectory; {alive}"))
    if total and found.beta is not None and found.weight is not None:
        items.append(
            ("beta", f"{power(found.beta)}, {found.weight:.3g} times its true value 1/{bound.steps}")
        )
    yield from pairs(items, indent=2)


def _limits(found: Evaluation, process: Process) -> Iterator[str]:
    known, gap, worst = found.limits, found.gap, found.worst_cell
    if known is None or gap is None or worst is None:
        yield f"  no exact limit is known for {process.name}"
        return
    n = known.predicted
    items = [
        ("entropy H", f"{known.entropy:.5f} nats per step, given the {known.window} steps before"),
        (
            "information I",
            f"{nats(known.information)} nats per trajectory; {nats(known.information_first)} in the first "
            f"{known.receptive_field} steps",
        ),
        ("floor", f"{known.floor:.4f} nats per step, below which no -ELBO can be"),
        (f"H + I/{n}", f"{known.bound:.4f} nats per step, where all that is known is paid for"),
        ("gap", f"{gap.nats:.2f} ± {gap.error:.2f} nats per trajectory above H + I/{n}"),
        ("decoder", f"{gap.decoder:+.2f}  n (NLL - H){_best(gap.decoder_optimal, found)}"),
        ("encoder", f"{gap.encoder:+.2f}  KL - I{_best(gap.encoder_optimal, found)}"),
    ]
    cell = ", ".join(f"{name} {value:.3g}" for name, value in worst[0].items())
    items.append(("worst cell", f"NLL {worst[1]:.3f} nats a step above its entropy, at {cell}"))
    yield from pairs(items, indent=2)


def _best(optimal: float | None, found: Evaluation) -> str:
    if optimal is None or found.weight is None or math.isclose(found.weight, 1, rel_tol=0.05):
        return ""
    return f"; {optimal:+.2f} is best at this beta with {len(found.surviving)} latents"


def _latents(found: Evaluation) -> Iterator[str]:
    bound = found.bound
    if not len(bound.kl_latents):
        return
    identified = {item.latent: item for item in found.identified}
    columns = (
        Column("latent"),
        Column("KL", right=True),
        Column("Var(mu)", right=True),
        Column("mean ln var", right=True),
        Column("R²", right=True),
        Column("encodes"),
    )
    rows: list[list[Cell]] = []
    figures = zip(bound.kl_latents, bound.var_mu, bound.mean_logvar, strict=True)
    for index, (kl, var_mu, logvar) in enumerate(figures):
        name = Styled(f"z{index}", "accent" if index in identified else "muted")
        r2, words = _encodes(identified.get(index))
        rows.append([name, nats(kl), f"{var_mu:.4f}", f"{logvar:.4f}", r2, words])
    yield from table(columns, rows, indent=2)
    for item in found.identified:
        if item.expression:
            yield (
                f"  z{item.latent}: rank correlation {item.spearman:.3f}; of single trajectories "
                f"R² {item.r2_trajectory:.2f}, at most {item.ceiling:.2f} for its KL"
            )


def _encodes(found: Identified | None) -> tuple[str, str]:
    if found is None:
        return "", ""
    if not found.expression:
        return "", found.reason
    words = found.expression
    if found.t_star is not None:
        # the best time, with its error, in place of the one of the expression's own terms
        words = f"{words.partition(', t* =')[0]}, t* = {found.t_star:.3g}"
        if found.t_star_sd is not None:
            words += f" ± {float(f'{found.t_star_sd:.2g}'):g}"
    return f"{found.r2:.3f}", words + (", folded" if found.folded else "")


def _accuracy(found: Evaluation) -> Iterator[str]:
    if not found.accuracy:
        return
    names = list(next(iter(found.accuracy.values())))
    columns = [Column("estimator")]
    for name in names:
        columns += [Column(f"{name}: mae", right=True), Column("R²", right=True), Column("eff.", right=True)]
    rows: list[list[Cell]] = []
    for estimator, by_parameter in found.accuracy.items():
        row: list[Cell] = [estimator]
        for name in names:
            row += _judged(by_parameter[name])
        rows.append(row)
    yield from table(columns, rows, indent=2)
    yield "  eff.: mean squared error of the Bayes posterior mean over that of the estimator"


def _judged(item: Accuracy) -> list[Cell]:
    efficiency = "" if item.efficiency is None else f"{item.efficiency:.0%}"
    return [fixed(item.mae), fixed(item.r2, 3), efficiency]


def _generation(found: Evaluation) -> Iterator[str]:
    made = found.generation
    if made is None:
        return
    items = [
        ("trajectories", f"{made.per_cell} of {made.length} steps in each of {len(made.grid.cells)} cells")
    ]
    if made.alpha_mae is not None:
        chance = f"{fixed(made.alpha_mae_noise, 3)} by chance alone"
        items.append(("exponent", f"{fixed(made.alpha_mae, 3)} mean absolute error of alpha; {chance}"))
    if made.diffusivity_worst_ratio is not None:
        chance = f"{fixed(made.diffusivity_worst_noise, 2)} by chance alone"
        ratio = fixed(made.diffusivity_worst_ratio, 2)
        items.append(("diffusion", f"{ratio} worst ratio of D(t) over theory, windows of 10 steps; {chance}"))
    if made.not_finite:
        items.append(("ran away", f"{made.not_finite} trajectories"))
    yield from pairs(items, indent=2)


def _with_error(value: float, error: float) -> str:
    return fixed(value) + (f" ± {error:.4f}" if math.isfinite(error) else "")
