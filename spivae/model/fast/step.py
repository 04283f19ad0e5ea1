"""Gradients, losses and predictions of a whole batch, in threads."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from spivae.model.fast.network import Weights, output, prepare
from spivae.model.fast.threads import in_threads, one_thread, parts
from spivae.model.fast.tree import mapped, tensors
from spivae.model.losses import Loss, Parts, judged_steps
from spivae.model.vae import Output, WaveNetVAE

# rows that a thread computes at once: fewer leave the time to Python, more fall out of the caches
ROWS = 25600

Made = TypeVar("Made")


def gradients(model: WaveNetVAE, x: Tensor, noise: Tensor | None, beta: float) -> Parts:
    """Add the gradients of the mean loss to those of the model; the loss before reduction, detached.

    Displacements x (B, 1, L), latent noise (B, Z). Equal numbers of threads give equal bits.
    """
    loss, judged = Loss(model.receptive_field, model.c_channels, beta), judged_steps(model, x)
    parameters = list(model.parameters())
    replicas = _replicas(model, parameters, torch.get_num_threads())
    with one_thread():
        prepared = prepare(model)

    def work(thread: int, rows: slice) -> tuple[list[Parts], list[Tensor | None]]:
        (replica, own), weights = replicas[thread], mapped(leaf, prepared)
        for weight in own:
            weight.grad = None
        made = []
        with torch.enable_grad():
            for part in parts(rows, _at_once(x)):
                said = output(replica, weights, x[part], None if noise is None else noise[part], learn=True)
                found = loss.learnt(said, x[part], judged)
                (found.loss.sum() / len(x)).backward()  # type: ignore[no-untyped-call]
                made.append(Parts(*(value.detach() for value in found)))
        return made, [leaf.grad for leaf in (*tensors(weights), *own)]

    done = in_threads(work, len(x))
    with one_thread():
        targets, totals = [], []
        for target, *shares in zip(
            [*tensors(prepared), *parameters], *(of_thread for _, of_thread in done), strict=True
        ):
            if shares[0] is not None and target.requires_grad:
                targets.append(target)
                totals.append(sum(shares[1:], shares[0]))
        torch.autograd.backward(targets, totals)
    return _joined([found for made, _ in done for found in made])


def leaf(weight: Tensor) -> Tensor:
    """The same weight with a gradient of its own, of which the fast form makes sums."""
    found = weight.detach().requires_grad_()
    found.grad = torch.zeros_like(found)
    return found


def _at_once(x: Tensor) -> int:
    return max(1, ROWS // x.shape[-1])


def losses(model: WaveNetVAE, x: Tensor, noise: Tensor | None, beta: float) -> Parts:
    """The loss before reduction of displacements x (B, 1, L) with latent noise (B, Z), without gradients."""
    loss = Loss(model.receptive_field, model.c_channels, beta)
    return _joined(_each(model, x, noise, lambda said, part: loss.parts(said, x[part])))


def forward(model: WaveNetVAE, x: Tensor, noise: Tensor | None = None) -> Output:
    """What the model says of displacements x (B, 1, L), without gradients."""

    def kept(said: Output, part: slice) -> Output:
        return Output(*(None if value is None else value.clone() for value in said))  # type: ignore[arg-type]

    made = _each(model, x, noise, kept)
    pred, mu, logvar = (torch.cat([said[i] for said in made]) for i in range(3))  # type: ignore[misc]
    c = None if made[0].c is None else torch.cat([said.c for said in made if said.c is not None])
    return Output(pred, mu, logvar, c)


def _each(
    model: WaveNetVAE, x: Tensor, noise: Tensor | None, use: Callable[[Output, slice], Made]
) -> list[Made]:
    """`use` of the output of every part of a batch; it must not keep what it is given."""
    inference = torch.is_inference_mode_enabled()
    with torch.no_grad():
        weights: Weights = prepare(model)

    def work(thread: int, rows: slice) -> list[Made]:
        with torch.inference_mode(inference), torch.no_grad():
            return [
                use(output(model, weights, x[part], None if noise is None else noise[part]), part)
                for part in parts(rows, _at_once(x))
            ]

    return [made for share in in_threads(work, len(x)) for made in share]


def _joined(found: list[Parts]) -> Parts:
    return Parts(*(torch.cat(values) for values in zip(*found, strict=True)))


# a model that shares the memory of another's weights, and its own parameters, which have their own gradients
Replica = tuple[WaveNetVAE, list[nn.Parameter]]
_known: WeakKeyDictionary[WaveNetVAE, list[Replica]] = WeakKeyDictionary()  # one for each thread


def _replicas(model: WaveNetVAE, weights: list[nn.Parameter], count: int) -> list[Replica]:
    found = _known.setdefault(model, [])
    if found and [w.data_ptr() for w in found[0][1]] != [w.data_ptr() for w in weights]:
        found.clear()
    while len(found) < count:
        shared = {id(weight): nn.Parameter(weight.detach()) for weight in weights}
        replica = copy.deepcopy(model, shared)
        found.append((replica, list(replica.parameters())))
    return found
