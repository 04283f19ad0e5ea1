"""The curves of a run: every metric of every step in bounded memory, however long the training is."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from spivae.following.records import is_whole

if TYPE_CHECKING:
    from spivae.following.records import Step
    from spivae.following.samples import Past

Array = npt.NDArray[np.float64]

CAPACITY = 2048  # buckets; twice the dots of the widest terminal
EPOCHS_WITH_CELLS = 128  # as many validations of all cells are kept
SMOOTHING = 50  # steps that the smoothed loss remembers
_BUMP = 6.0  # a loss counts as at most so many usual distances from the smoothed one
PACE_SECONDS = 30.0  # the speed is that of the last half minute


class Buckets:
    """Rows of `width` values along a rising x, at most `capacity` buckets of them.

    Each bucket keeps the lowest, highest and last of its rows. When all are full, neighbours are merged and
    every bucket holds twice as many rows from then on. NaN is left out, unless a bucket has nothing else.
    """

    def __init__(self, width: int, capacity: int = CAPACITY) -> None:
        self.stride = 1
        self.rows = 0
        self.width = width
        self.capacity = capacity + capacity % 2
        self._x = np.zeros(self.capacity)
        self._low = np.zeros((self.capacity, width))
        self._high = np.zeros((self.capacity, width))
        self._last = np.zeros((self.capacity, width))

    def __len__(self) -> int:
        return -(-self.rows // self.stride)

    def extend(self, x: Array, values: Array) -> None:
        """Append rows: x (n,), values (n, width)."""
        while self.rows + len(x) > self.capacity * self.stride:
            room = self.capacity * self.stride - self.rows
            self._append(x[:room], values[:room])
            x, values = x[room:], values[room:]
            self._merge()
        self._append(x, values)

    def _append(self, x: Array, values: Array) -> None:
        if not len(x):
            return
        bucket = (self.rows + np.arange(len(x))) // self.stride
        first = np.flatnonzero(np.diff(bucket, prepend=-1))
        last = np.append(first[1:], len(x)) - 1
        to = bucket[first]
        low, high = np.fmin.reduceat(values, first), np.fmax.reduceat(values, first)
        if self.rows % self.stride:  # the first of them goes on with a bucket that has begun
            low[0] = np.fmin(low[0], self._low[to[0]])
            high[0] = np.fmax(high[0], self._high[to[0]])
        self._x[to], self._low[to], self._high[to], self._last[to] = x[last], low, high, values[last]
        self.rows += len(x)

    def _merge(self) -> None:
        half = self.capacity // 2
        self._x[:half], self._last[:half] = self._x[1::2], self._last[1::2]
        self._low[:half] = np.fmin(self._low[::2], self._low[1::2])
        self._high[:half] = np.fmax(self._high[::2], self._high[1::2])
        self.stride *= 2

    def restore(self, x: Array, low: Array, high: Array, last: Array, stride: int) -> None:
        """Begin with these buckets, each of `stride` rows, instead of rows: x (n,), the others (n, width)."""
        count = len(x)
        assert count <= self.capacity
        self._x[:count], self._low[:count], self._high[:count], self._last[:count] = x, low, high, last
        self.stride, self.rows = stride, count * stride

    def widen(self, x: Array, values: Array, column: int) -> None:
        """Let the buckets know rows between theirs: places that rise (n,) and what one column has there."""
        count = len(self)
        to = np.searchsorted(self._x[:count], x)
        x, values, to = x[to < count], values[to < count], to[to < count]
        first = np.flatnonzero(np.diff(to, prepend=-1))
        if not first.size:
            return
        to = to[first]
        self._low[to, column] = np.fmin(self._low[to, column], np.fmin.reduceat(values, first))
        self._high[to, column] = np.fmax(self._high[to, column], np.fmax.reduceat(values, first))

    def cut(self, x: float) -> None:
        """Forget the rows from `x` on (a training that was resumed from before); whole buckets at a time."""
        kept = int(np.searchsorted(self._x[: len(self)], x))
        self.rows = min(self.rows, kept * self.stride)

    @property
    def x(self) -> Array:
        """Where each bucket ends (n,)."""
        return self._x[: len(self)].copy()

    @property
    def last(self) -> Array:
        """The last row of each bucket (n, width)."""
        return self._last[: len(self)].copy()

    def band(self, column: int) -> tuple[Array, Array]:
        """A polyline (2n,) through lowest and highest of each bucket; (n,) where they are the same."""
        count = len(self)
        if self.stride == 1:
            return self.x, self._low[:count, column].copy()
        ends = np.stack((self._low[:count, column], self._high[:count, column]), axis=1)
        ends[1::2] = ends[1::2, ::-1]  # low, high, high, low: no needless strokes between buckets
        return np.repeat(self._x[:count], 2), ends.ravel()


class RunSeries:
    """What metrics.jsonl tells, fed record by record: curves for each step, rows for each epoch."""

    COLUMNS = ("loss", "smooth", "lr", "beta", "seconds")

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._steps: Buckets | None = None
        self._latents = 0
        self.cells: Buckets | None = None  # NLL of each parameter cell, at epochs
        self.mu: Array | None = None  # (Z, cells), the newest means of the latents
        self._clear()

    def _clear(self) -> None:
        self.epochs: list[dict[str, Any]] = []
        self.last: dict[str, Any] = {}  # the newest step record
        self.diverged_at: int | None = None
        self.smooth = math.nan
        self._weight = 0.0
        self._mean = 0.0
        self._spread = 0.0  # the usual distance of a loss from the smoothed one
        self._recent: deque[tuple[int, float]] = deque(maxlen=1000)
        self._ends: deque[tuple[int, float]] = deque(maxlen=3)
        self._first: tuple[int, float] | None = None
        if self._steps is not None:
            self._steps.cut(-math.inf)
        self.cells = self.mu = None

    @property
    def latents(self) -> int:
        return self._latents

    def feed(self, records: Sequence[dict[str, Any]]) -> None:
        """Take records in; those that are not as a trainer writes them are left out.

        A step or an epoch that was there before begins the rest anew: the run was resumed, and what a later
        attempt writes supersedes what an earlier one did, or its file was replaced.
        """
        begin = 0
        known = [record for record in records if is_whole(record)]
        for index, record in enumerate(known):
            if record["kind"] == "epoch":
                self._take_steps(known[begin:index])
                begin = index + 1
                if self.epochs and record["epoch"] <= self.epochs[-1]["epoch"]:
                    self._forget_epochs(record)
                self.epochs.append(self._without_cells(record))
                self._ends.append((record["step"], record["seconds"]))
        self._take_steps(known[begin:])

    def restore(self, past: Past) -> None:
        """Begin with samples of a long training's past instead of its records.

        Each bucket knows the extremes of its samples alone, until `widen` tells of what lies between, and
        its smoothed loss is their mean, without spikes.
        """
        self._clear()
        if not past.places:
            return
        newest = past.places[-1][-1]
        self._latents = len(newest.kl)
        table = [self._bucket(place) for place in past.places]
        x, low, high, last = (np.array(column, dtype=np.float64) for column in zip(*table, strict=True))
        self._steps = Buckets(len(self.COLUMNS) + self._latents, self._capacity)
        self._steps.restore(x, low, high, last, max(1, newest.step // len(x)))
        self.smooth = self._mean = float(last[-1, 1])
        self._weight, self._spread = 1.0, float(high[-1, 0] - low[-1, 0])
        self.last = msgspec.structs.asdict(newest)
        self._first = (past.places[0][0].step, past.places[0][0].seconds)
        self.feed([record for record in past.epochs if record["step"] <= newest.step])

    def widen(self, epochs: Array, losses: Array) -> None:
        """Let the raw loss show what lies between the samples: epochs that rise (n,), and losses."""
        if self._steps is not None:
            self._steps.widen(epochs, losses, self._column("loss"))

    def _bucket(self, place: Sequence[Step]) -> tuple[float, Array, Array, Array]:
        """Where the samples of a place end, and the lowest, highest and last row of them."""
        unknown = [None] * self._latents
        rows = np.array(
            [
                (
                    step.loss,
                    None,
                    step.lr,
                    step.beta,
                    step.seconds,
                    *(step.kl if len(step.kl) == self._latents else unknown),
                )
                for step in place
            ],
            dtype=np.float64,  # numpy reads None as NaN
        )
        known = rows[np.isfinite(rows[:, 0]), 0]
        rows[:, 1] = (
            np.sort(known)[len(known) // 4 : len(known) - len(known) // 4].mean() if len(known) else np.nan
        )
        return place[-1].epoch, np.fmin.reduce(rows), np.fmax.reduce(rows), rows[-1]

    def _without_cells(self, record: dict[str, Any]) -> dict[str, Any]:
        """An epoch's record without its long lists, which go to `cells` and `mu`."""
        nll, mu = record.get("nll_cells"), record.get("mu_cells")
        if nll:
            if self.cells is None or self.cells.width != len(nll):
                self.cells = Buckets(len(nll), EPOCHS_WITH_CELLS)
            # numpy reads None as NaN
            self.cells.extend(np.array([record["epoch"]], dtype=float), np.array([nll], dtype=np.float64))
        self.mu = np.array(mu, dtype=np.float64) if mu else None
        return {key: value for key, value in record.items() if key not in ("nll_cells", "mu_cells")}

    def _take_steps(self, records: Sequence[dict[str, Any]]) -> None:
        begin, step = 0, self.step
        for index, record in enumerate(records):
            if record["step"] <= step:
                self._append(records[begin:index])
                self._rewind(record)
                begin = index
            step = record["step"]
        self._append(records[begin:])

    def _append(self, records: Sequence[dict[str, Any]]) -> None:
        if not records:
            return
        latents = len(records[0]["kl"])
        if self._steps is None or latents != self._latents:
            self._latents = latents
            self._steps = Buckets(len(self.COLUMNS) + latents, self._capacity)
        kl = [record["kl"] if len(record["kl"]) == latents else [None] * latents for record in records]
        rows = [
            (
                record["loss"],
                self._smoothed(record["loss"]),
                record["lr"],
                record["beta"],
                record["seconds"],
                *values,
            )
            for record, values in zip(records, kl, strict=True)
        ]
        x = np.array([record["epoch"] for record in records], dtype=np.float64)
        # numpy reads None as NaN
        self._steps.extend(x, np.array(rows, dtype=np.float64))
        self._note(records)

    def _note(self, records: Sequence[dict[str, Any]]) -> None:
        """Keep what speed, time left and the state line need."""
        self.last = records[-1]
        self._first = self._first or _moment(records[0])
        for record in records:
            if record.get("diverged") and self.diverged_at is None:
                self.diverged_at = record["step"]
        newest = self.last["seconds"]
        fresh = (_moment(record) for record in records[-400:] if newest - record["seconds"] <= PACE_SECONDS)
        self._recent.extend(fresh)
        while len(self._recent) > 2 and newest - self._recent[0][1] > PACE_SECONDS:
            self._recent.popleft()

    def _smoothed(self, loss: float | None) -> float | None:
        """Exponential mean of the losses so far, without the bias of its start; a spike counts as a bump."""
        if loss is None:
            return None
        keep = 1 - 1 / SMOOTHING
        if self._weight:
            most = _BUMP * self._spread
            loss = self.smooth + max(-most, min(most, loss - self.smooth))
            self._spread = keep * self._spread + (1 - keep) * abs(loss - self.smooth)
        else:
            self._spread = max(1.0, abs(loss))
        self._mean = keep * self._mean + (1 - keep) * loss
        self._weight = keep * self._weight + (1 - keep)
        self.smooth = self._mean / self._weight
        return self.smooth

    def _forget_epochs(self, record: dict[str, Any]) -> None:
        """Make room for an epoch that is validated again; its steps stay."""
        self.epochs = [row for row in self.epochs if row["epoch"] < record["epoch"]]
        if self.cells is not None:
            self.cells.cut(record["epoch"])
        self._ends.clear()

    def _rewind(self, record: dict[str, Any]) -> None:
        if record["step"] <= 1:
            self._clear()
            return
        if self._steps is not None:
            self._steps.cut(record["epoch"])
        if self.cells is not None:
            self.cells.cut(record["epoch"])
        self.mu = None
        self.epochs = [row for row in self.epochs if row["step"] < record["step"]]
        self.diverged_at = None
        self._recent.clear()
        self._ends.clear()
        self._first = None

    # What is asked

    @property
    def step(self) -> int:
        return int(self.last.get("step", 0))

    @property
    def epoch(self) -> float:
        """How many epochs are done, with the part of the one at work."""
        return float(self.last.get("epoch", 0.0))

    @property
    def x(self) -> Array:
        """Epochs (n,) of the points of `curve`."""
        return self._steps.x if self._steps is not None else np.zeros(0)

    def curve(self, name: str) -> Array:
        """Values (n,) of loss, smooth, lr, beta, seconds, or of a latent's KL as `kl3`."""
        return self._steps.last[:, self._column(name)] if self._steps is not None else np.zeros(0)

    def raw(self, name: str) -> tuple[Array, Array]:
        """A polyline that keeps every extreme of a metric."""
        empty = np.zeros(0)
        return self._steps.band(self._column(name)) if self._steps is not None else (empty, empty)

    def _column(self, name: str) -> int:
        if name.startswith("kl"):
            return len(self.COLUMNS) + int(name[2:])
        return self.COLUMNS.index(name)

    def speed(self) -> float | None:
        """Steps a second lately, validation left out as far as it falls between two records."""
        if len(self._recent) < 2:
            return None
        (step, seconds), (now_step, now) = self._recent[0], self._recent[-1]
        return (now_step - step) / (now - seconds) if now > seconds and now_step > step else None

    def seconds_left(self, steps: int) -> float | None:
        """Seconds until step `steps`, at the pace of the last epochs with their validation."""
        begin = self._ends[0] if self._ends and self._ends[0][0] < self.step else self._first
        if begin is None or not self.last:
            return None
        done, took = self.step - begin[0], self.last["seconds"] - begin[1]
        return max(0, steps - self.step) * took / done if done > 0 and took > 0 else None


def _moment(record: dict[str, Any]) -> tuple[int, float]:
    return int(record["step"]), float(record["seconds"])
