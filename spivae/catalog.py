"""What there is: the checkpoints and runs under some folders, found without reading a single weight."""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from spivae.checkpoint.naming import SUFFIXES, shipped_models
from spivae.checkpoint.opening import one_line
from spivae.checkpoint.reading import OWN_FORMATS, read_header
from spivae.errors import SpivaeError
from spivae.liveness import heartbeat_age, is_untaken, run_state
from spivae.metrics_tail import last_epoch, read_end, seconds_left
from spivae.owner import ended_queue, why_not_begun
from spivae.slurm.job import Job
from spivae.tags import read_tags

if TYPE_CHECKING:
    from spivae.checkpoint.reading import Foreign


class Entry(msgspec.Struct, kw_only=True):
    """One line of a list of checkpoints and runs. `error` says why a broken one is broken.

    `modified` is in seconds since the epoch; `size` in bytes, for a run that of its checkpoints; `state` is
    a run's: queued, running, stopped, finished, failed, or lost (its trainer is gone), else "". Of a run,
    `progress` is the share of its steps that are done, `left` the seconds that a running one will still
    take, `tags` the words that people put on it, `where` the host, process or job that trains it or did,
    `why` what keeps it from beginning.
    """

    path: str
    name: str
    kind: Literal["checkpoint", "run"]
    format: str = ""
    process: str = ""
    parameters: int | None = None
    modified: float = 0.0
    size: int = 0
    metrics: dict[str, Any] = {}
    state: str = ""
    error: str | None = None
    progress: float | None = None
    left: float | None = None
    tags: list[str] = []
    where: str = ""
    why: str = ""

    def __post_init__(self) -> None:
        # file names may hold what no terminal should be sent; `path` keeps it, so that the file can be opened
        self.name = one_line(self.name)
        self.error = one_line(self.error) if self.error else None


class _RunFile(msgspec.Struct):
    """What a list shows of run.json."""

    id: str = ""
    process: str = ""
    state: str = ""
    host: str = ""
    pid: int = 0
    pid_started: int | None = None
    nproc: int = 1
    nnodes: int = 1
    job: Job | None = None
    error: str | None = None
    steps: int = 0


_run_file = msgspec.json.Decoder(_RunFile)
_MOST_BYTES = 2**20  # of a run.json
_DAMAGED = (msgspec.MsgspecError, UnicodeError, RecursionError)
_GOING = ("queued", "running")  # states of a run that somebody trains, or is going to


def default_folders() -> list[Path]:
    """Where checkpoints and runs are looked for: shipped models, ./models, ./runs, the user's data folder."""
    import platformdirs

    return [shipped_models(), Path("models"), Path("runs"), platformdirs.user_data_path("spivae")]


def newest_first(entries: Iterable[Entry]) -> list[Entry]:
    """Sorted by age; entries of the same age by path."""
    return sorted(entries, key=lambda entry: (-entry.modified, entry.path))


# by path: which file it was (inode, time, size), and its entry
Remembered = dict[str, tuple[tuple[int, ...], Entry]]


def scan(
    folders: Iterable[Path | str], foreign: Foreign | None = None, remembered: Remembered | None = None
) -> Iterator[Entry]:
    """Checkpoints and runs under folders and their sub-folders, one by one as they are found.

    A run comes first and then its checkpoints, named RUN/best and so on. What is broken or cannot be read
    comes as an entry with an error; what several folders or links lead to comes once. A default folder
    that does not exist (yet) is passed over. `foreign` reads checkpoints of formats that plugins know.
    Whoever scans again and again hands over the same `remembered`: files that are still the same are not
    opened again.
    """
    return _look_through(_Walk(foreign, remembered), folders)


def scan_runs(folders: Iterable[Path | str]) -> Iterator[Entry]:
    """The runs among what `scan` finds, without opening a single checkpoint."""
    found = _look_through(_Walk(with_checkpoints=False), folders)
    return (entry for entry in found if entry.kind == "run")


def _look_through(walk: _Walk, folders: Iterable[Path | str]) -> Iterator[Entry]:
    optional: set[str] | None = None
    for folder in folders:
        root = os.fspath(folder)
        if not os.path.lexists(root):
            if optional is None:
                optional = {os.path.abspath(path) for path in default_folders()}
            if os.path.abspath(root) in optional:
                continue
        yield from walk.root(root)


def moved_on(entries: Iterable[Entry]) -> list[Entry]:
    """New entries of those runs that were at work and stand otherwise now.

    A trainer that is killed and a job that begins or ends write no file; so each is looked for here. Of the
    runs that stand as before only run.json is read.
    """
    going = (entry for entry in entries if entry.kind == "run" and (entry.state in _GOING or entry.why))
    queues = _Queues()
    moved = (entry for entry in going if _state_now(entry.path, queues) != entry.state)
    return [now for entry in moved for now in itertools.islice(scan([entry.path]), 1)]


class _Queues:
    """The queues of sweeps, each looked at once for all of its runs."""

    def __init__(self) -> None:
        self._ended: dict[str, str] = {}

    def ended(self, run: str) -> str:
        """The sweep that a run's directory, a real path, is in, if its queue has ended; else ""."""
        folder = os.path.dirname(run)
        if folder not in self._ended:
            self._ended[folder] = one_line(ended_queue(folder))
        return self._ended[folder]


class _Walk:
    """One scan: what it has seen so far, so that nothing comes twice."""

    def __init__(
        self,
        foreign: Foreign | None = None,
        remembered: Remembered | None = None,
        *,
        with_checkpoints: bool = True,
    ) -> None:
        self.foreign = foreign
        self.remembered = {} if remembered is None else remembered
        self.with_checkpoints = with_checkpoints
        self.seen: set[str] = set()
        self.queues = _Queues()

    def is_new(self, real: str) -> bool:
        if real in self.seen:
            return False
        self.seen.add(real)
        return True

    def root(self, root: str) -> Iterator[Entry]:
        real = os.path.realpath(root)
        if os.path.isfile(real):
            if self.is_new(real):
                yield self.checkpoint(root, _stem(os.path.basename(root)))
            return
        waiting = [(root, real, "")]
        while waiting:
            path, real, prefix = waiting.pop()
            if not self.is_new(real):
                continue
            try:
                with os.scandir(path) as listing:
                    items = sorted(listing, key=lambda item: item.name)
            except OSError as error:
                what = "no such folder" if isinstance(error, FileNotFoundError) else _why(error)
                yield Entry(
                    path=path, name=prefix.rstrip("/") or path, kind="checkpoint", error=f"{path}: {what}"
                )
                continue
            if any(item.name == "run.json" for item in items):
                yield from self.run(path, real)
                continue
            folders = []
            for item in items:
                name = item.name
                if name.startswith("."):
                    continue
                if _is_folder(item):
                    folders.append((item.path, _real(item, real), f"{prefix}{name}/"))
                elif self.with_checkpoints and name.endswith(SUFFIXES) and self.is_new(_real(item, real)):
                    yield self.checkpoint(item.path, prefix + _stem(name))
            waiting += reversed(folders)

    def run(self, path: str, real: str) -> Iterator[Entry]:
        """A run's entry, then its checkpoints'."""
        files: list[os.DirEntry[str]] = []
        folder = os.path.join(path, "checkpoints")
        problem = None
        try:
            with os.scandir(folder) as listing:
                files = sorted(
                    (item for item in listing if item.name.endswith(SUFFIXES) and item.name[0] != "."),
                    key=lambda item: item.name,
                )
        except FileNotFoundError:
            pass  # the run has not saved anything yet
        except OSError as error:
            problem = one_line(f"{folder}: {_why(error)}")
        entry = _run_entry(path, partial(self.queues.ended, real))
        entry.error = entry.error or problem
        found = [_status(item) for item in files]
        entry.size = sum(size for size, _ in found)
        # never older than what is in it, or its checkpoints would change places with it while it trains
        entry.modified = max(entry.modified, *(modified for _, modified in found), 0.0)
        yield entry
        if not self.with_checkpoints:
            return
        real_folder = os.path.join(real, "checkpoints")
        for item in files:
            if self.is_new(_real(item, real_folder)):
                yield self.checkpoint(item.path, f"{entry.name}/{_stem(item.name)}")

    def checkpoint(self, path: str, name: str) -> Entry:
        """The entry of one file, with an error where it is no checkpoint."""
        entry = Entry(path=path, name=name, kind="checkpoint")
        try:
            status = os.stat(path)
            entry.modified, entry.size = status.st_mtime, status.st_size
        except OSError as error:
            entry.error = one_line(f"{path}: {_why(error)}")
            return entry
        file = (status.st_ino, status.st_mtime_ns, status.st_size)
        known, remembered = self.remembered.get(path, ((), entry))
        if known == file and remembered.name == entry.name:
            return remembered
        try:
            found = read_header(path, self.foreign)
        except SpivaeError as error:
            entry.error = str(error)
            return entry
        entry.format, entry.process, entry.parameters = found.format, found.process, found.parameters
        entry.metrics = found.metrics
        beta = found.beta
        if beta is not None and "beta" not in entry.metrics:
            entry.metrics = {**entry.metrics, "beta": beta}
        if entry.format in OWN_FORMATS:
            self.remembered[path] = file, entry
        return entry


def _state(path: str, run: _RunFile, ended: Callable[[], str]) -> str:
    age = partial(heartbeat_age, os.path.join(path, "LOCK"))
    return one_line(run_state(run.state, run.host, run.pid, run.pid_started, age, run.job, ended))


def _where(run: _RunFile) -> str:
    """Who trains a run, or did: `Slurm job 12 on node7`, `pid 4242 on node7`; "" before anybody has begun."""
    host = f" on {run.host}" if run.host else ""
    each = f", {run.nproc} processes" if run.nproc > 1 else ""
    if run.nnodes > 1:
        each += f" on each of {run.nnodes} machines"
    if run.job is not None:
        return f"Slurm job {run.job.id}{host}{each}"
    return f"pid {run.pid}{host}{each}" if run.pid else ""


def _state_now(path: str, queues: _Queues) -> str:
    """How a run stands now; "" where its run.json cannot be read."""
    try:
        with open(os.path.join(path, "run.json"), "rb") as handle:
            run = _run_file.decode(handle.read(_MOST_BYTES))
        return _state(path, run, lambda: queues.ended(os.path.realpath(path)))
    except (OSError, *_DAMAGED):
        return ""


def _run_entry(path: str, ended: Callable[[], str]) -> Entry:
    """A run's entry from its run.json and the last epoch of its metrics; `ended` as in `_Queues`."""
    entry = Entry(path=path, name=os.path.basename(os.path.abspath(path)), kind="run", format="spivae")
    file = os.path.join(path, "run.json")
    try:
        with open(file, "rb") as handle:
            entry.modified = os.fstat(handle.fileno()).st_mtime
            run = _run_file.decode(handle.read(_MOST_BYTES))
    except OSError as error:
        entry.error = one_line(f"{file}: {_why(error)}")
        return entry
    except _DAMAGED as error:
        entry.error = one_line(f"{file}: damaged ({error})")
        return entry
    entry.name = one_line(run.id) or entry.name
    entry.tags = read_tags(Path(path))
    entry.process = one_line(run.process)
    entry.state, entry.where = _state(path, run, ended), one_line(_where(run))
    if is_untaken(run.state, run.pid, run.job):
        entry.why = why_not_begun(ended())
    if run.state == "failed":
        entry.error = one_line(run.error or "failed; its log.txt says why")
    elif entry.state == "lost" and run.job is not None:
        from spivae.slurm.queue import describe

        entry.error = one_line(describe(run.job))
    metrics = os.path.join(path, "metrics.jsonl")
    try:
        with open(metrics, "rb") as handle:
            status = os.fstat(handle.fileno())
            entry.modified = max(entry.modified, status.st_mtime)
            tail = read_end(handle)
    except FileNotFoundError:
        pass  # no step has been taken yet
    except OSError as error:
        entry.error = one_line(f"{metrics}: {_why(error)}")
    else:
        entry.metrics = last_epoch(tail)
        step = entry.metrics.get("step", 0)
        if run.steps > 0 and isinstance(step, int):
            entry.progress = min(1.0, max(0, step) / run.steps)
            entry.left = seconds_left(tail, run.steps) if entry.state == "running" else None
    return entry


def _stem(name: str) -> str:
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link that cannot be followed; it is listed with its error if it names a checkpoint
        return False


def _real(item: os.DirEntry[str], parent: str) -> str:
    """The real path of an item in a folder whose real path is `parent`."""
    return os.path.realpath(item.path) if item.is_symlink() else os.path.join(parent, item.name)


def _status(item: os.DirEntry[str]) -> tuple[int, float]:
    """Size and time of a file."""
    try:
        status = item.stat()
    except OSError:  # gone since it was listed, or a broken link; its own entry says so
        return 0, 0.0
    return (status.st_size, status.st_mtime) if stat.S_ISREG(status.st_mode) else (0, 0.0)


def _why(error: OSError) -> str:
    return {FileNotFoundError: "no such file", PermissionError: "permission denied"}.get(
        type(error), f"cannot be read ({error.strerror or error})"
    )
