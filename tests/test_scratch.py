"""Arrays that memory has no room for, and analyses of more trajectories than that."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from numpy.testing import assert_array_equal

from spivae import scratch
from spivae.errors import WorkFailed
from spivae.plugins import load_plugins
from spivae.training.memory import peak
from spivae.worker import trajectories
from spivae.worker.session import Session


@pytest.fixture
def _on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays are on disk, from a kilobyte on, and few trajectories are simulated at a time."""
    monkeypatch.setattr(scratch, "IN_MEMORY", 1000)
    monkeypatch.setattr(trajectories, "CHUNK", 256)


@pytest.mark.usefixtures("_on_disk")
def test_a_large_array_takes_no_memory_and_leaves_no_file() -> None:
    def work() -> None:
        array = scratch.empty((1000, 1000))
        array[:] = 1.5
        assert array.sum() == 1.5e6

    assert peak(work) < 100_000
    assert list(scratch.folder().iterdir()) == []
    assert peak(lambda: scratch.empty((10, 10))) < 1000


@pytest.mark.usefixtures("_on_disk")
@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="room is not reserved there")
def test_a_full_disk_is_told_before_it_is_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(WorkFailed, match=r"arrays: has no room for 0\.0 GiB \(No space left on device\)"):
        scratch.empty((1000, 10))


ANALYSES = ("latents", "output", "loss", "data")


@pytest.mark.parametrize("analysis", ANALYSES)
def test_an_answer_is_the_same_of_arrays_on_disk(
    analysis: str, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins, data = load_plugins(), {"per_cell": 5}
    in_memory = Session(plugins).analyze(tiny_checkpoint, analysis, data=data).result
    monkeypatch.setattr(scratch, "IN_MEMORY", 0)
    on_disk = Session(plugins).analyze(tiny_checkpoint, analysis, data=data).result
    assert in_memory.arrays.keys() == on_disk.arrays.keys()
    for name, array in in_memory.arrays.items():
        assert_array_equal(on_disk.arrays[name], array, strict=True)


@pytest.mark.usefixtures("_on_disk")
@pytest.mark.parametrize("analysis", ANALYSES)
def test_an_analysis_of_many_trajectories_takes_the_memory_of_few(
    analysis: str, tiny_checkpoint: Path
) -> None:
    session = Session(load_plugins(), threads=1)

    def asked(per_cell: int) -> int:
        return peak(lambda: session.analyze(tiny_checkpoint, analysis, data={"per_cell": per_cell}))

    asked(10)
    few, many = asked(300), asked(1500)
    of_displacements = 6 * 1200 * 63 * 4  # those of the further trajectories; there are four arrays of them
    assert many - few < of_displacements
