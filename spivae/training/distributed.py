"""A training by several processes, which remains the one that its recipe tells.

Each process draws the same batches from the same seeds, computes the gradients of its share of the rows, and
gets the sum of all: the gradient of the mean over the whole batch, whatever the shares. So every process
makes the same steps, and only the first one tells of them. `spivae.training.torchrun` starts them.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spivae.errors import SpivaeError, WorkFailed
from spivae.model.losses import Parts
from spivae.training.device import usable_device
from spivae.training.lock import Lock, Owner, read_owner
from spivae.training.processes import WorkerLost
from spivae.training.run import Run
from spivae.training.watch import farewell

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

Array = npt.NDArray[Any]


class Team:
    """Who trains together: here one process, which does as it likes."""

    rank = 0
    size = 1
    local = 1  # how many of them are on this machine
    first_here = True  # whether this is the first of those

    @property
    def first(self) -> bool:
        """Whether this process writes the run's files and tells of its progress."""
        return self.rank == 0

    @property
    def trainer(self) -> int:
        """The pid of the process that a run is trained by, to which signals go."""
        return os.getpid()

    def lock(self, run: Run) -> Lock:
        """The run's lock, held by this process. Raises Locked."""
        return Lock.take(run)

    def usable(self, wish: str, run: Run) -> str:
        """What a wish for a device comes to here. Raises SpivaeError where it is not to be had."""
        return usable_device(wish, run=run.id)

    def device(self, kind: str) -> str:
        """Which of the devices of a kind is this process's own."""
        return kind

    def bounds(self, rows: int) -> tuple[int, int]:
        """Begin and end of this process's share of so many rows; the shares differ by one row at most."""
        return rows * self.rank // self.size, rows * (self.rank + 1) // self.size

    def share(self, rows: Array) -> Array:
        """This process's rows of a batch."""
        begin, end = self.bounds(len(rows))
        return rows[begin:end]

    def stops(self, wish: bool) -> bool:
        """Whether all stop before the next step, given whether this one wants to."""
        return wish

    def reduce(self, model: nn.Module, parts: Parts) -> Parts:
        """From gradients and losses of this process's rows to those of the whole batch."""
        return parts

    def gather(self, own: Array, rows: int) -> Array:
        """All `rows` rows, from those that are this process's share."""
        return own

    def mean(self, own: list[float], rows: int) -> list[float]:
        """Means over all rows, from those over this process's `rows`."""
        return own

    def least(self, own: float) -> float:
        """The smallest of what all processes say."""
        return own

    def check_same(self, *numbers: float) -> None:
        """Raise WorkFailed where the processes do not begin from the same numbers."""


class Group(Team):
    """One of several processes that torchrun has started. Sums go over gloo on CPUs, over nccl on GPUs."""

    def __init__(
        self, run: Run, store: Store, kind: str = "cpu", should_stop: Callable[[], bool] = lambda: False
    ) -> None:
        """Join the others, through the store in which they meet, to compute on this `kind` of device.

        `should_stop` tells that those who have started the processes want them to end. Raises WorkerLost, and
        SpivaeError where this machine has too few GPUs.
        """
        import torch.distributed as dist
        from torch.distributed.distributed_c10d import PrefixStore

        env = os.environ
        self.size, self.local = int(env["WORLD_SIZE"]), int(env["LOCAL_WORLD_SIZE"])
        self._index = int(env["LOCAL_RANK"])
        self.first_here = self._index == 0
        usable_device(kind, processes=self.local, several=True)
        self._store, self._should_stop = store, should_stop
        # torchrun picks another port for every round of starting them
        meeting = PrefixStore(f"spivae/{env['MASTER_PORT']}", store)
        self._kind = kind
        if self.local == self.size:
            env.setdefault("GLOO_SOCKET_IFNAME", _loopback())
            env.setdefault("NCCL_SOCKET_IFNAME", _loopback())
        # the process that was started by the holder of the lock is the first; torchrun sorts machines by name
        owner, own = read_owner(run.lock_path), int(env["RANK"])
        if owner == Owner.of(os.getppid()) and self._index == 0:
            meeting.set("first", str(own))
        self._wish = self._agreed = False
        try:
            self.rank = (own - int(meeting.get("first"))) % self.size
            backend = "nccl" if kind == "cuda" else "gloo"
            if kind == "cuda":
                torch.cuda.set_device(self._index)
            dist.init_process_group(backend, store=meeting, rank=self.rank, world_size=self.size)
        except RuntimeError as error:
            raise self._lost(error) from error

    @property
    def trainer(self) -> int:
        return os.getppid()  # who starts them again

    def lock(self, run: Run) -> Lock:
        return _Borrowed(run.lock_path) if self.first else _Watched(run.lock_path)

    def usable(self, wish: str, run: Run) -> str:
        return self._kind  # which the process that started them all has found

    def device(self, kind: str) -> str:
        return f"cuda:{self._index}" if kind == "cuda" else kind

    def stops(self, wish: bool) -> bool:
        # what the others want comes with the sums of the next step: all stop before the same one
        self._wish = wish or self._should_stop()
        return self._agreed

    def reduce(self, model: nn.Module, parts: Parts) -> Parts:
        own = [weight.grad for weight in model.parameters() if weight.grad is not None]
        rows = len(parts.loss)
        means = [parts.loss.mean(0, keepdim=True), parts.nll.mean().view(1), parts.kl.mean(0)]
        flat = torch.cat([value.reshape(-1) for value in (*own, *means)]) * rows
        flat = torch.cat([flat, flat.new_tensor([rows, self._wish])])
        self._sum(flat)
        *sums, counted, wishes = torch.split(flat, [*(value.numel() for value in (*own, *means)), 1, 1])
        self._agreed = bool(wishes > 0)
        for gradient, total in zip(own, sums, strict=False):
            torch.div(total.view_as(gradient), counted, out=gradient)
        loss, nll, kl = (total / counted for total in sums[len(own) :])
        return Parts(nll.view(1, 1, 1), kl[None], loss)

    def gather(self, own: Array, rows: int) -> Array:
        begin, end = self.bounds(rows)
        whole = np.zeros((rows, *own.shape[1:]), own.dtype)
        whole[begin:end] = own
        return self._sum(torch.from_numpy(whole).to(self.device(self._kind))).cpu().numpy()

    def mean(self, own: list[float], rows: int) -> list[float]:
        weighted = torch.tensor([*own, 1.0], dtype=torch.float64, device=self.device(self._kind)) * rows
        *sums, count = self._sum(weighted).tolist()
        return [total / count for total in sums]

    def least(self, own: float) -> float:
        return -float(self._most([-own])[0])

    def check_same(self, *numbers: float) -> None:
        largest, smallest = self._most([*numbers, *(-number for number in numbers)]).chunk(2)
        if not torch.equal(largest, -smallest):
            raise WorkFailed(
                "the processes do not begin from the same state; the run's folder must be one that all see"
            )

    def _most(self, numbers: list[float]) -> Tensor:
        import torch.distributed as dist

        own = torch.tensor(numbers, dtype=torch.float64, device=self.device(self._kind))
        return self._sum(own, dist.ReduceOp.MAX)

    def _sum(self, values: Tensor, operation: Any = None) -> Tensor:
        import torch.distributed as dist

        try:
            dist.all_reduce(values, operation or dist.ReduceOp.SUM)
        except RuntimeError as error:
            raise self._lost(error) from error
        return values

    def _lost(self, error: RuntimeError) -> SpivaeError:
        """What it means that the others cannot be reached."""
        said = farewell(self._store)
        return (
            WorkFailed(said.message)
            if said
            else WorkerLost(f"a process of this training is gone ({_reason(error)})")
        )

    def leave(self) -> None:
        """Part from the others, at the end."""
        import torch.distributed as dist

        dist.destroy_process_group()


def checksum(weights: Sequence[Tensor]) -> float:
    """A number that tells weights apart."""
    return float(sum(weight.detach().double().sum() for weight in weights))


def _reason(error: RuntimeError) -> str:
    """What gloo or nccl say, without where in their code, and without their advice."""
    return re.sub(r"^\[\S+\] ", "", str(error)).split(". ")[0].split("\n")[0]


def _loopback() -> str:
    """The interface on which a machine talks to itself, and nobody listens."""
    names = [name for _, name in socket.if_nameindex()]
    return next((name for name in names if name.startswith("lo")), "lo")


class Witness(Run):
    """A run as all but the first process see it: what they learn of it is written by the first."""

    def save(self) -> None:
        pass

    def sweep_up(self) -> None:
        pass


class _Borrowed(Lock):
    """The lock that this process's parent took for it. The parent keeps it where all are started again."""

    def __init__(self, path: Any) -> None:
        super().__init__(path)
        self._me = Owner.of(os.getppid())
        self.beat()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, WorkerLost):
            self.release()


class _Watched(Lock):
    """The lock that the first process holds for all; it tells where it is lost."""

    def beat(self) -> None:
        pass

    def keep_beating(self) -> None:
        pass

    def release(self) -> None:
        pass
