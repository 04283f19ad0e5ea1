"""Questions to a model, and what was answered before: by this process or by any other.

An answer is known by all that it depends on: what the checkpoint and the data file hold, the analysis and
its options, which trajectories, and the code that computes. Its key is the hash of that.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spivae import __version__
from spivae.analysis import Analysis, DataOptions, declared_options, parse_options
from spivae.checkpoint import read_header, resolve
from spivae.checkpoint.reading import OWN_FORMATS
from spivae.plugins import Plugins
from spivae.worker.answers import Answer
from spivae.worker.results import Results
from spivae.worker.sources import Sources, content_hash, torch_version

LARGE = 4 * 1024**2  # bytes from which a file is hashed anew only where it looks changed


@dataclass(frozen=True)
class Question:
    """One analysis of one checkpoint, with everything that can be chosen about it."""

    checkpoint: Path
    analysis: Analysis
    options: Any
    data: DataOptions


def ask(
    plugins: Plugins,
    checkpoint: str | Path,
    analysis: str,
    options: Mapping[str, object] | None = None,
    data: Mapping[str, object] | None = None,
) -> Question:
    """The question that raw values put. Raises SpivaeError for unknown or bad ones.

    `per_cell` and `file` do not count where no trajectories are looked at, and are then as declared.
    """
    asked = plugins.analysis(analysis)
    chosen = parse_options(asked.options, options or {})
    looked_at = parse_options(DataOptions, data or {})
    if not {"dataset", "predictions"}.intersection(asked.needs):
        looked_at = replace(looked_at, per_cell=DataOptions.per_cell, file=DataOptions.file)
    return Question(resolve(str(checkpoint)), asked, chosen, looked_at)


class Memory:
    """Recalls and keeps answers. Make it right after the plugins were loaded: see `Sources`.

    Without `results`, it knows nothing and keeps nothing.
    """

    def __init__(self, plugins: Plugins, results: Results | None) -> None:
        self._plugins = plugins
        self._results = results
        self._hashes: dict[tuple[object, ...], str] = {}
        registered = [*plugins.analyses.values(), *plugins.processes.values()]
        self._sources = Sources(map(type, registered) if results is not None else ())

    def lookup(
        self,
        checkpoint: str | Path,
        analysis: str,
        options: Mapping[str, object],
        data: Mapping[str, object],
    ) -> Answer | None:
        """What was answered to the question that raw values put. Raises SpivaeError as `ask` and `key` do."""
        return self.recall(self.key(ask(self._plugins, checkpoint, analysis, options, data)))

    def recall(self, key: str) -> Answer | None:
        """What was answered to the question of this key."""
        return self._results.get(key) if self._results is not None and key else None

    def keep(self, key: str, question: Question, answer: Answer) -> None:
        """Keep what was answered to a question that had this key before the work began.

        A file or a source that was written meanwhile may have been read before or after that: such an answer
        is not kept.
        """
        if self._results is not None and key and self._sources.unchanged() and self.key(question) == key:
            self._results.put(key, answer)

    def trace(self, question: Question) -> tuple[str, list[Path]]:
        """The key of a question, "" if the code has changed since, and the files and packages behind it."""
        key, places = self._traced(question)
        return (key if self._sources.unchanged() else ""), places

    def key(self, question: Question) -> str:
        """64 hexadecimal digits, or "" where not all is known that the answer depends on.

        A file that cannot be read has no key, so that the work itself tells of it. Raises SpivaeError for a
        checkpoint that cannot be read and a process that no plugin provides.
        """
        return self._traced(question)[0]

    def _traced(self, question: Question) -> tuple[str, list[Path]]:
        unknown = ("", list[Path]())
        if self._results is None or not question.analysis.remembered:
            return unknown
        header = read_header(question.checkpoint, self._plugins.read_checkpoint)
        if header.format not in OWN_FORMATS:
            return unknown
        process = self._plugins.process(header.process)
        code = self._sources.of(type(question.analysis), type(process))
        if code is None:
            return unknown
        try:
            files = [torch_version(), question.checkpoint, *_files(question.options), *_files(question.data)]
            contents = [self._content(file) for file in files]
        except OSError:
            return unknown
        names = (process.name, question.analysis.name)
        chosen = (_chosen(question.options), _chosen(question.data))
        # plain values, which have one spelling each
        parts = (__version__, np.__version__, *code.values(), *contents, names, chosen)
        return hashlib.sha256(repr(parts).encode()).hexdigest(), [*code, *files]

    def _content(self, path: Path) -> str:
        """SHA-256 of a file, of a large one from memory where nothing tells of a change. Raises OSError."""
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path}: no regular file")
        if status.st_size < LARGE:
            return content_hash(path)
        identity = (os.path.realpath(path), status.st_ino, status.st_size, status.st_mtime_ns)
        if identity not in self._hashes:
            self._hashes[identity] = content_hash(path)
        return self._hashes[identity]


def _chosen(options: Any) -> list[tuple[str, Any]]:
    """Each option's name and value."""
    declared = [(option, getattr(options, option.name)) for option in declared_options(type(options))]
    # a default may be a whole number where a real one is meant
    return [(option.name, None if value is None else option.kind(value)) for option, value in declared]


def _files(options: Any) -> list[Path]:
    """What options name on the disk, which counts with what is in it."""
    texts = [option.name for option in declared_options(type(options)) if not option.choices]
    values = [getattr(options, name) for name in texts]
    return [Path(value) for value in values if isinstance(value, str) and os.path.exists(value)]
