"""What lies between a checkpoint's path and an analysis: model, trajectories and predictions, each made once.

Both the worker and `spivae analyze` go through a Session. Its caches are bounded: a few models (a megabyte
each), and predictions up to `CACHE_BYTES`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from spivae.analysis import Analysis, Context, DataOptions, Need, Result, parse_options
from spivae.blocks import limit_threads
from spivae.checkpoint import read_header, resolve
from spivae.cores import usable_threads
from spivae.errors import SpivaeError, WorkFailed
from spivae.observation import observed_as
from spivae.worker.answers import Answer
from spivae.worker.memory import Memory, ask
from spivae.worker.results import Results

if TYPE_CHECKING:
    from spivae.checkpoint import Checkpoint
    from spivae.dataset import Dataset
    from spivae.figure.spec import Figure
    from spivae.model.vae import WaveNetVAE
    from spivae.plugins import Plugins
    from spivae.prediction import Predictions
    from spivae.process import Process
    from spivae.training.lr_finder import Sweep

CACHE_BYTES = 512 * 1024 * 1024
OnProgress = Callable[[int, int, str], None]
Value = TypeVar("Value")


class WorkCancelled(Exception):
    """The caller's `cancelled` has turned true."""


@dataclass(frozen=True)
class Prepared:
    """All of a Context but the options: shared by the analyses of one checkpoint and dataset.

    What an analysis does not need is None.
    """

    checkpoint: Checkpoint
    process: Process
    data: DataOptions
    dataset: Dataset | None = None
    predictions: Predictions | None = None
    model: WaveNetVAE | None = None

    @property
    def nbytes(self) -> int:
        arrays = [*vars(self.predictions).values()] if self.predictions else []
        if self.dataset is not None:
            arrays += [self.dataset.displacements, self.dataset.theta]
        return sum(getattr(array, "nbytes", 0) for array in arrays)


def worker_threads() -> int:
    """Threads that background work may take: at most two of those this process is allowed."""
    return min(2, usable_threads())


class Session:
    """Loads, simulates and predicts on demand, and remembers what it can afford to.

    Make it right after the plugins were loaded. With `results`, answers outlive it.
    """

    def __init__(self, plugins: Plugins, threads: int | None = None, results: Results | None = None) -> None:
        self._plugins = plugins
        self._threads = threads
        self.memory = Memory(plugins, results)
        self._models: _Recent[tuple[Checkpoint, Any]] = _Recent(4, lambda _: 1)
        self._prepared: _Recent[Prepared] = _Recent(CACHE_BYTES, lambda prepared: prepared.nbytes)

    @property
    def plugins(self) -> Plugins:
        """Where analyses and processes come from."""
        return self._plugins

    def warm(self) -> None:
        """Load torch, which takes a second or two the first time."""
        # Threads that spin while they wait for each other slow down sixfold as soon as a training runs beside
        # them on the same cores; OpenMP reads this once, when it is loaded with torch.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        import torch

        if self._threads is not None:
            limit_threads(self._threads)
            if torch.get_num_threads() != self._threads:
                torch.set_num_threads(self._threads)

    def analyze(
        self,
        checkpoint: str | Path,
        analysis: str,
        options: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        progress: OnProgress | None = None,
        cancelled: Callable[[], bool] | None = None,
        *,
        fresh: bool = False,
    ) -> Answer:
        """Run one analysis, options given as raw values, or recall what it said, which needs no torch.

        `fresh` computes in any case. Raises SpivaeError for what `prepare` refuses and for unknown analyses
        or options, WorkFailed where the analysis itself breaks.
        """
        question = ask(self._plugins, checkpoint, analysis, options, data)
        key = self.memory.key(question)
        known = None if fresh else self.memory.recall(key)
        if known is not None:
            return known
        asked = question.analysis
        prepared = self.prepare(question.checkpoint, question.data, progress, cancelled, asked.needs)
        answer = _answer(asked, prepared, question.options, _Progress(progress, cancelled))
        self.memory.keep(key, question, answer)
        return answer

    def analyze_model(
        self,
        checkpoint: Checkpoint,
        model: WaveNetVAE,
        analysis: str,
        options: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
    ) -> Answer:
        """`analyze` for a model in memory; what it predicts is made anew when its weights have changed."""
        asked = self._plugins.analysis(analysis)
        chosen = parse_options(asked.options, options or {})
        shown = parse_options(DataOptions, data or {})
        file = None if shown.file is None else _identity(Path(shown.file))
        header = repr((checkpoint.process, checkpoint.ds_args, checkpoint.model_args))
        key = (header, _weights(model), shown, file)
        known = self._prepared.get(key)
        if known is None:
            known = Prepared(checkpoint, self._process(checkpoint), shown)
        step = _Progress(None, None)
        # the rest of the header, such as beta, may be another one at the same weights
        known = replace(known, checkpoint=checkpoint, model=model)
        prepared = self._filled(known, Path(), asked.needs, step)
        self._prepared.put(key, prepared)
        return _answer(asked, prepared, chosen, step)

    def prepare(
        self,
        checkpoint: str | Path,
        data: DataOptions,
        progress: OnProgress | None = None,
        cancelled: Callable[[], bool] | None = None,
        needs: Sequence[Need] = ("predictions",),
    ) -> Prepared:
        """What the model of a checkpoint says of the chosen trajectories, or what it said last time.

        Only what `needs` lists is made. `progress(done, total, what)` is called between batches; where
        `cancelled()` is true there, WorkCancelled is raised. Raises SpivaeError for a checkpoint that cannot
        be read, a process that no plugin provides, and trajectories that are too many or too short for the
        model.
        """
        step = _Progress(progress, cancelled)
        path = resolve(str(checkpoint))
        key = (_identity(path), data, None if data.file is None else _identity(Path(data.file)))
        known = self._prepared.get(key)
        if known is None:
            header = read_header(path, self._plugins.read_checkpoint)
            known = Prepared(header, self._process(header), data)
        prepared = self._filled(known, path, needs, step)
        if prepared is not known:
            self._prepared.put(key, prepared)
        return prepared

    def find_rate(
        self,
        recipe: Mapping[str, Any],
        phase: int = 0,
        progress: OnProgress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Sweep:
        """Sweep the learning rate for a phase of a recipe that is given as tables. Raises SpivaeError."""
        from spivae.training.lr_finder import find_lr
        from spivae.training.recipe import parse

        step, asked = _Progress(progress, cancelled), parse(recipe)
        process = self._plugins.process(asked.process.name)
        step(0, 1, "making the data")
        self.warm()
        return find_lr(
            asked, process, phase=phase, progress=lambda done, total: step(done, total, "sweeping")
        )

    def _process(self, header: Checkpoint) -> Process:
        """The process that a model was trained on, as it was seen."""
        return observed_as(self._plugins.process(header.process), header.ds_args)

    def _filled(self, known: Prepared, path: Path, needs: Sequence[Need], step: _Progress) -> Prepared:
        """What is known with all that is needed on top."""
        from spivae.worker import trajectories  # not needed for what is recalled

        found = known
        plan = None
        if found.dataset is None and {"dataset", "predictions"}.intersection(needs):
            plan = trajectories.plan(found.checkpoint, found.process, found.data)
        if found.model is None and {"model", "predictions"}.intersection(needs):
            step(0, 1, "loading the model")
            read, model = self._model(path)
            found = replace(found, checkpoint=read, model=model)
        if plan is not None:
            found = replace(found, dataset=plan.dataset(step))
        if found.predictions is None and "predictions" in needs:
            found = replace(found, predictions=_predict(found.model, found.dataset, step))
        return found

    def _model(self, path: Path) -> tuple[Checkpoint, Any]:
        key = _identity(path)
        known = self._models.get(key)
        if known is None:
            self.warm()
            from spivae.checkpoint.load import load_checkpoint

            known = load_checkpoint(path, foreign=self._plugins.read_checkpoint)
            self._models.put(key, known)
        return known


def _answer(analysis: Analysis, prepared: Prepared, options: Any, step: _Progress) -> Answer:
    step(0, 1, "analyzing")
    figure, result = _run(analysis, prepared, options, step)
    step(1, 1, "analyzing")
    looked_at = None if prepared.dataset is None else len(prepared.dataset)
    return Answer(figure, result, prepared.process.name, looked_at)


def _run(analysis: Analysis, prepared: Prepared, options: Any, progress: OnProgress) -> tuple[Figure, Result]:
    """Compute and draw; the message of one that breaks names it, so that its author is asked."""
    predicted = "predictions" in analysis.needs
    context = Context(
        prepared.checkpoint,
        prepared.process,
        prepared.dataset if predicted or "dataset" in analysis.needs else None,
        prepared.predictions if predicted else None,
        options,
        model=prepared.model if "model" in analysis.needs else None,
        data=prepared.data,
        progress=progress,
    )
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what an analysis prints is no part of an answer
            result = analysis.compute(context)
            return analysis.figure(result), result
    except (SpivaeError, MemoryError, WorkCancelled):
        raise
    except Exception as error:
        raise WorkFailed(f"analysis {analysis.name}: {type(error).__name__}: {error}") from error


def _predict(model: Any, dataset: Any, step: _Progress) -> Predictions:
    from spivae.prediction import predict

    return predict(model, dataset, progress=lambda done, total: step(done, total, "predicting"))


def _weights(model: Any) -> str:
    """A hash of all weights of a model."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class _Progress:
    """The two callbacks of a caller as one call between parts of the work."""

    def __init__(self, progress: OnProgress | None, cancelled: Callable[[], bool] | None) -> None:
        self._progress = progress
        self._cancelled = cancelled

    def __call__(self, done: int, total: int, what: str) -> None:
        if self._cancelled is not None and self._cancelled():
            raise WorkCancelled
        if self._progress is not None:
            self._progress(done, total, what)


def _identity(path: Path) -> Hashable:
    """A file's path with what tells that it has been written anew. Raises SpivaeError where it is missing."""
    try:
        status = path.stat()
    except OSError as error:
        raise SpivaeError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    return (os.path.realpath(path), status.st_mtime_ns, status.st_size)


class _Recent(Generic[Value]):
    """The values used last, up to a total size; the newest is kept whatever its size."""

    def __init__(self, limit: int, size: Callable[[Value], int]) -> None:
        self._limit = limit
        self._size = size
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable) -> Value | None:
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def put(self, key: Hashable, value: Value) -> None:
        self._values[key] = value
        while len(self._values) > 1 and sum(map(self._size, self._values.values())) > self._limit:
            self._values.popitem(last=False)
