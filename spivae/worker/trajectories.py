"""Which trajectories a model is shown: simulated on a grid or read from a file; many are kept on disk."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spivae.analysis import DataOptions
from spivae.capacity import MAX_BYTES
from spivae.dataset import Dataset, simulate
from spivae.errors import SpivaeError, WorkFailed
from spivae.grids import chosen_grid
from spivae.layout import Wanted, named_parameters, read_npz
from spivae.model.base import Arguments
from spivae.npz import Stored
from spivae.process import Process
from spivae.scratch import check_room, empty
from spivae.subgrid import Subgrid

if TYPE_CHECKING:
    from spivae.checkpoint import Checkpoint

ARRAYS = 4  # of (n, L) float32: displacements, NLL, mean and standard deviation of the output
CHUNK = 4096  # trajectories simulated between two looks at the progress
Step = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Plan:
    """Trajectories that are known to fit the model and the disk, not yet made.

    `cells` (k, p) are the parameters to simulate; none for trajectories of a file, of which there are `rows`.
    """

    process: Process
    args: Arguments
    data: DataOptions
    steps: int
    cells: np.ndarray[Any, Any]
    subset: Subgrid
    rows: int

    def dataset(self, step: Step) -> Dataset:
        """Simulate or read them; `step(done, total, what)` between parts. Raises SpivaeError."""
        if self.data.file is not None:
            step(0, 1, "reading")
            return _read(self)
        theta = np.repeat(self.cells, self.data.per_cell, axis=0)
        return _simulate(self.process, theta, self.steps, self.data.seed, step)


def plan(checkpoint: Checkpoint, process: Process, data: DataOptions) -> Plan:
    """What `data` asks for, checked before anything heavy is done. Raises SpivaeError for too much of it."""
    args = checkpoint.arguments
    steps = model_steps(args, checkpoint.ds_args)
    subset = Subgrid.parse(data.subset or "", process.names)
    cells = np.empty((0, len(process.names)))
    if data.file is None:
        cells = chosen_grid(process, checkpoint.ds_args, data.grid, subset).cells
        rows = len(cells) * data.per_cell
        _check_size(rows, steps)
    else:
        rows = _check_file(data.file, process, data.per_cell, subset)
    return Plan(process, args, data, steps, cells, subset, rows)


def model_steps(args: Arguments, ds_args: dict[str, Any]) -> int:
    """L: what the VAE was built for; a WaveNet alone takes any length, so the one it was trained on."""
    if args.c_channels:
        return args.o_dim
    trained_on = ds_args.get("T")
    return int(trained_on) - 1 if trained_on else args.o_dim


def _simulate(process: Process, theta: np.ndarray[Any, Any], steps: int, seed: int, step: Step) -> Dataset:
    rng = np.random.default_rng(seed)
    displacements = empty((len(theta), 1, steps))
    for start in range(0, len(theta), CHUNK):
        step(start, len(theta), "simulating")
        rows = slice(start, start + CHUNK)
        displacements[rows] = simulate(process, theta[rows], steps, rng).displacements
    step(len(theta), len(theta), "simulating")
    _check_finite(displacements, f"process {process.name}: made displacements that are not finite")
    return Dataset(displacements, theta, process.names, process.name)


def _read(plan: Plan) -> Dataset:
    file, args, steps = str(plan.data.file), plan.args, plan.steps
    read = _whole(plan, file)
    if not len(read):
        raise SpivaeError(f"{file}: its cells hold no trajectories")
    if not args.c_channels:
        steps = read.steps
        if steps <= args.first_predicted:
            raise SpivaeError(
                f"{file}: trajectories of {steps} displacements, but the model needs more than its receptive "
                f"field of {args.first_predicted}"
            )
    if read.steps < steps:
        raise SpivaeError(
            f"{file}: trajectories of {read.steps} displacements, but the model takes {steps}: "
            "make longer ones, or take a model that was trained on this length"
        )
    return Dataset(read.displacements[:, :, :steps], read.theta, read.names, read.process)


def _whole(plan: Plan, file: str) -> Dataset:
    """What the plan takes of a file, as long as it is there."""
    process, theta, displacements, done = plan.process, [], None, 0
    wanted = Wanted(per_cell=plan.data.per_cell, fewer=True, subset=plan.subset)
    for part in read_npz(file, process.names, wanted, process.name):
        if displacements is None:
            displacements = empty((plan.rows, 1, part.steps))
        if part.steps != displacements.shape[2]:
            raise SpivaeError(f"{file}: its cells differ in length")
        displacements[done : done + len(part)] = part.displacements
        theta.append(part.theta)
        done += len(part)
    assert displacements is not None  # a file without cells is refused
    return Dataset(displacements[:done], np.concatenate(theta), process.names, process.name)


def _check_finite(displacements: np.ndarray[Any, Any], message: str) -> None:
    # a sum is finite if all of its terms are, and needs no mask of the array's size
    if not np.isfinite(displacements.sum(dtype=np.float64)):
        raise WorkFailed(message)


def _check_size(trajectories: int, steps: int) -> None:
    check_room(trajectories, steps, ARRAYS, "trajectories", "fewer a cell (per_cell)")


def _check_file(file: str, process: Process, per_cell: int, subset: Subgrid) -> int:
    """Refuse what could not be held, going by the headers of the file's cells alone; the number of rows."""
    try:
        with zipfile.ZipFile(file) as archive:
            cells = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            if subset.ranges:
                keys = list(cells)
                kept = subset.keeps(process.names, named_parameters(file, keys, len(process.names)))
                cells = {key: cells[key] for key, keep in zip(keys, kept, strict=True) if keep}
            largest = max((entry.file_size for entry in cells.values()), default=0)
            shapes = [_shape(archive, entry) for entry in cells.values()]
    except (OSError, ValueError, zipfile.BadZipFile):
        return 0  # reading it will say what it is instead
    if largest > MAX_BYTES:
        raise SpivaeError(f"{file}: a cell of {largest / 1024**3:.1f} GiB is too large; save fewer a cell")
    rows = sum(min(shape[0], per_cell) for shape in shapes)
    _check_size(rows, max((shape[1] for shape in shapes), default=0) - len(process.names))
    return rows


def _shape(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> tuple[int, int]:
    """Rows and columns of a cell, from its header. Raises ValueError where it is no table."""
    with archive.open(entry) as member:
        rows, columns = Stored.of(member).shape
    return rows, columns
