"""What the app asks of the library, in one place: imported when first used, replaced by fakes in tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from spivae.catalog import Entry, Remembered
    from spivae.checkpoint import Checkpoint
    from spivae.plugins import Plugins
    from spivae.slurm.options import Options
    from spivae.training.recipe import Recipe
    from spivae.training.run import Run
    from spivae.worker.memory import Memory
    from spivae.worker.results import Usage
    from spivae_tui.where_form import Where


class WorkerLike(Protocol):
    """The worker process, as `spivae.worker.remembering.RememberingWorker` offers it."""

    def submit(self, op: str, payload: dict[str, Any], on_event: Callable[[Any], None]) -> Any: ...

    def cancel(self, job: Any) -> None: ...

    def close(self) -> None: ...


_remembered: Remembered = {}  # what the last scans have read


def _scan(folders: Sequence[Path]) -> Iterator[Entry]:
    from spivae.catalog import scan

    return iter(scan(folders, _foreign, _remembered))


def _moved_on(entries: Sequence[Entry]) -> list[Entry]:
    from spivae.catalog import moved_on

    return moved_on(entries)


def _foreign(path: Path) -> Checkpoint | None:
    return _plugins().read_checkpoint(path)


def _read_header(path: str) -> Checkpoint:
    from spivae.checkpoint import read_header

    return read_header(path, _foreign)


def _plugins() -> Plugins:
    from spivae.plugins import default_plugins

    return default_plugins()


def _switch_plugin(name: str) -> bool:
    from spivae import plugin_settings

    off = name not in plugin_settings.disabled()
    plugin_settings.switch(name, on=not off)
    return not off


def _worker() -> WorkerLike:
    from spivae.worker.client import Worker
    from spivae.worker.remembering import RememberingWorker

    return RememberingWorker(Worker(), _memory)


def _memory() -> Memory:
    from spivae.worker import results
    from spivae.worker.memory import Memory

    return Memory(_plugins(), results.of_user())


def _clear_results() -> Usage:
    from spivae.worker import results

    kept = results.of_user()
    return kept.clear() if kept is not None else results.Usage(0, 0)


def _open_run(path: str) -> Run:
    from spivae.training.run import Run

    return Run.open(path)


def _slurm_options() -> Options | None:
    """What is asked of Slurm where nothing else is said; None where there is no Slurm."""
    from spivae.plugin_settings import slurm_options
    from spivae_tui.where_form import offers_slurm

    found = slurm_options()
    return found if offers_slurm(found) else None


def _launch(recipe: Recipe, where: Where) -> Run:
    how: dict[str, Any] = {
        "threads": where.threads,
        "processes": where.processes,
        "device": where.device,
    }
    if where.slurm is not None:
        from spivae.training.slurm import launch as hand_over

        return hand_over(recipe, where.folder, where.slurm, **how)
    from spivae.training.launch import launch

    return launch(recipe, where.folder, **how)


def _resume(path: str, slower: float | None = None) -> None:
    """Go on with a run, at so many times its present learning rates."""
    from spivae.training.resume import relaunch
    from spivae.training.run import Run

    run = Run.open(path)
    relaunch(run, slurm=run.slurm, lr_scale=None if slower is None else slower * run.info.lr_scale)


def _stop(path: str) -> str:
    """Ask a run to stop, without waiting for it; the state that it is in then."""
    from spivae.training.run import Run
    from spivae.training.stopping import stop

    return stop(Run.open(path))


def _read_tags(path: str) -> list[str]:
    from spivae.tags import read_tags

    return read_tags(Path(path))


def _write_tags(path: str, words: Sequence[str]) -> None:
    from spivae.tags import write_tags

    write_tags(Path(path), words)


def _write_text(path: Path, text: str) -> None:
    from spivae.files import replacing

    with replacing(path) as handle:
        handle.write(text.encode("utf-8"))


@dataclass(frozen=True)
class Services:
    """The library as the app sees it. Everything but `now` may be slow: call it from a thread."""

    scan: Callable[[Sequence[Path]], Iterator[Entry]] = _scan
    moved_on: Callable[[Sequence[Entry]], list[Entry]] = _moved_on
    read_header: Callable[[str], Checkpoint] = _read_header
    plugins: Callable[[], Plugins] = _plugins
    switch_plugin: Callable[[str], bool] = _switch_plugin
    worker: Callable[[], WorkerLike] = _worker
    clear_results: Callable[[], Usage] = _clear_results
    open_run: Callable[[str], Run] = _open_run
    slurm_options: Callable[[], Options | None] = _slurm_options
    launch: Callable[[Recipe, Where], Run] = _launch
    stop: Callable[[str], str] = _stop
    resume: Callable[..., None] = _resume
    read_tags: Callable[[str], list[str]] = _read_tags
    write_tags: Callable[[str, Sequence[str]], None] = _write_tags
    write_text: Callable[[Path, str], None] = _write_text
    now: Callable[[], float] = time.time
