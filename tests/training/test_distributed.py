"""What several processes make of their shares: the gradients, losses and decisions of one that has all rows.

Here they are threads, whose sums are made in memory; `tests/runs/test_torchrun.py` has real ones.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor

from spivae.errors import WorkFailed
from spivae.model.paths import gradients
from spivae.training.distributed import Group, Team, Witness, checksum
from spivae.training.recipe import parse
from spivae.training.run import Run

T = TypeVar("T")
RECIPE = parse(
    {
        "dataset": {"steps": 31},
        "model": {"nf": [4, 4], "avg_size": 4, "encoder": [8], "decoder": [8], "z_dim": 2}
        | {"res_channels": 4, "skip_channels": 4, "layer_size": 2},
    }
)


class Threads:
    """A team of threads, which wait for each other's values as processes do."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._barrier = threading.Barrier(size)
        self._values: dict[int, Tensor] = {}

    def run(self, work: Callable[[Group], T]) -> list[T]:
        with ThreadPoolExecutor(self.size) as pool:
            return list(pool.map(lambda rank: work(self._member(rank)), range(self.size)))

    def _member(self, rank: int) -> Group:
        member = Group.__new__(Group)
        member.rank, member.size, member.local = rank, self.size, self.size
        member._wish = member._agreed = False
        member._should_stop = lambda: False
        member._kind = "cpu"

        def summed(values: Tensor, operation: Any = None) -> Tensor:
            self._values[rank] = values.clone()
            self._barrier.wait(30)
            all_of_them = torch.stack([self._values[index] for index in range(self.size)])
            self._barrier.wait(30)
            values.copy_(all_of_them.sum(0) if operation is None else all_of_them.amax(0))
            return values

        member._sum = summed  # type: ignore[method-assign]
        return member


def batch(rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    # rows that differ much, so that a wrong weight is seen
    x = rng.standard_normal((rows, 1, 31)) * np.linspace(0.1, 3, rows)[:, None, None]
    return x.astype(np.float32), rng.standard_normal((rows, 2)).astype(np.float32)


def learnt(team: Team, rows: int) -> tuple[list[Tensor], list[float]]:
    """Gradients, and the means of loss, NLL and each latent's KL."""
    model = RECIPE.architecture.build(RECIPE.model_args, torch.Generator().manual_seed(0))
    x, noise = (torch.from_numpy(team.share(array)) for array in batch(rows))
    parts = team.reduce(model, gradients(model, x, noise, 0.1))
    found = [weight.grad for weight in model.parameters() if weight.grad is not None]
    return found, [float(parts.loss.mean()), float(parts.nll.mean()), *parts.kl.mean(0).tolist()]


@pytest.mark.parametrize(("size", "rows"), [(2, 8), (2, 3), (3, 10), (4, 4)])
def test_the_shares_gradients_add_up_to_those_of_the_whole_batch(size: int, rows: int):
    whole, means = learnt(Team(), rows)
    assert len(whole) > 20
    for found, said in Threads(size).run(lambda team: learnt(team, rows)):
        assert said == pytest.approx(means, rel=1e-5)
        for gradient, expected in zip(found, whole, strict=True):
            torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("size", "rows"), [(1, 5), (2, 5), (3, 5), (5, 5), (4, 1001)])
def test_every_row_is_in_one_share_and_the_shares_are_alike(size: int, rows: int):
    shares = Threads(size).run(lambda team: team.share(np.arange(rows)).tolist())
    assert list(itertools.chain(*shares)) == list(range(rows))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert Team().share(np.arange(rows)).tolist() == list(range(rows))


def test_what_each_found_of_its_rows_is_put_together():
    rows = np.random.default_rng(1).standard_normal((7, 3)).astype(np.float32)
    for whole in Threads(3).run(lambda team: team.gather(team.share(rows), len(rows))):
        np.testing.assert_array_equal(whole, rows)
    own = Threads(3).run(lambda team: team.mean(team.share(rows).mean(0).tolist(), len(team.share(rows))))
    for mean in own:
        assert mean == pytest.approx(rows.mean(0), rel=1e-5)


def test_all_stop_before_the_same_step_whoever_is_asked():
    def steps(team: Group) -> int:
        for step in range(5):
            if team.stops(step == 2 and team.rank == 1):
                return step
            learnt(team, 4)
        return 5

    assert Threads(2).run(steps) == [3, 3]
    assert Team().stops(True)
    assert not Team().stops(False)


def test_processes_that_begin_from_different_states_end():
    Threads(2).run(lambda team: team.check_same(3, 0.25))
    with pytest.raises(WorkFailed, match="do not begin from the same state"):
        Threads(2).run(lambda team: team.check_same(3, 0.25 + 1e-12 * team.rank))
    assert checksum([torch.ones(3), torch.full((2,), 0.5)]) == 4.0


def test_all_take_as_many_threads_as_the_machine_with_the_fewest_free_ones_can():
    # one process of each machine chooses; the others wait for what it finds
    assert Threads(4).run(lambda team: team.least([4.0, np.inf, 3.0, np.inf][team.rank])) == [3.0] * 4
    assert Team().least(2) == 2


def test_a_witness_of_a_run_writes_nothing(tmp_path):
    run = Run.create(tmp_path, RECIPE)
    noted = (run.path / "run.json").read_bytes()
    part = run.path / ".run.json.x.part"
    part.touch()
    witness = Witness(run.path, Run.open(run.path).info)
    witness.sweep_up()
    witness.claim(1, "cpu")
    witness.end("failed", "whatever")
    assert (run.path / "run.json").read_bytes() == noted
    assert part.exists()
