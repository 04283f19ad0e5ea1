"""Where a training computes: wishes, what a machine has, and what a run notes. GPUs are made up."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from test_loop import SBM, TINY
from torch.distributed import FileStore

from spivae.errors import SpivaeError
from spivae.training import distributed
from spivae.training.device import check_device, usable_device
from spivae.training.distributed import Group, Team
from spivae.training.launch import launch
from spivae.training.lock import Lock
from spivae.training.loop import train
from spivae.training.processes import Processes
from spivae.training.resume import prepare
from spivae.training.run import Run
from spivae.training.sweep import Sweep

Gpus = Callable[[int], None]


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Gpus:
    """A machine on which torch sees so many GPUs."""

    def made(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return made


@pytest.mark.parametrize(
    "wish", ["", "gpu", "cuda:", "cuda:-1", "cuda:01", "cuda:x", "CPU", "cpu:0", "cuda\n"]
)
def test_what_is_no_device_is_told(wish: str):
    with pytest.raises(SpivaeError, match=r"^--device: '.*' is not auto, cpu, cuda or cuda:N, as in cuda:1$"):
        check_device(wish)


@pytest.mark.parametrize(
    ("wish", "count", "found"),
    [
        ("auto", 0, "cpu"),
        ("auto", 2, "cuda"),
        ("cpu", 2, "cpu"),
        ("cuda", 1, "cuda"),
        ("cuda:1", 2, "cuda:1"),
    ],
)
def test_a_wish_comes_to_what_the_machine_has(wish: str, count: int, found: str, gpus: Gpus):
    gpus(count)
    assert usable_device(wish) == found


def test_what_the_machine_has_not_is_refused_and_never_replaced(gpus: Gpus):
    gpus(0)
    with pytest.raises(
        SpivaeError, match=r"cuda is asked for, but torch sees no GPU here; take --device cpu$"
    ):
        usable_device("cuda")
    with pytest.raises(
        SpivaeError, match=r"no GPU here; take another --device: `spivae resume a --device cpu`"
    ):
        usable_device("cuda:0", run="a")
    gpus(2)
    with pytest.raises(SpivaeError, match=r"cuda:2 is asked for, but the last is cuda:1; take"):
        usable_device("cuda:2")


@pytest.mark.parametrize("wish", ["auto", "cuda"])
def test_several_processes_have_a_gpu_each(wish: str, gpus: Gpus):
    gpus(2)
    assert usable_device(wish, processes=2, several=True) == "cuda"
    with pytest.raises(SpivaeError, match=r"3 processes on a machine with 2 GPUs; take at most --nproc 2"):
        usable_device(wish, processes=3, several=True)
    with pytest.raises(SpivaeError, match=r"cuda:1 is one GPU, which several processes cannot share"):
        usable_device("cuda:1", processes=2, several=True)


def test_a_run_notes_the_wish_and_then_what_it_came_to(tmp_path: Path, gpus: Gpus):
    run = Run.create(tmp_path, TINY)
    assert Run.open(run.path).info.device == "auto"
    gpus(0)
    train(run, SBM, threads=1)
    assert Run.open(run.path).info.device == "cpu"


def test_a_run_that_wants_a_gpu_is_not_trained_without(tmp_path: Path, gpus: Gpus):
    gpus(0)
    run = Run.create(tmp_path, TINY, device="cuda")
    with pytest.raises(SpivaeError, match=f"`spivae resume {run.id} --device cpu`"):
        train(run, SBM, threads=1)
    assert not run.metrics_path.exists()
    assert not run.lock_path.exists()


def test_who_launches_notes_the_wish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("spivae.training.launch.start", lambda run, lock, threads: None)
    assert Run.open(launch(TINY, tmp_path, device="cuda:1").path).info.device == "cuda:1"
    sweep = Sweep.create(tmp_path, TINY, {"training.seed": ["0", "1"]}, device="cuda")
    assert [run.info.device for run in sweep.runs().values()] == ["cuda", "cuda"]
    with pytest.raises(SpivaeError, match="cuda:1 is one GPU"):
        launch(TINY, tmp_path / "none", processes=Processes(nproc=2), device="cuda:1")
    assert not (tmp_path / "none").exists()


def stopped(tmp_path: Path, device: str) -> Run:
    run = Run.create(tmp_path, TINY)
    run.info.device = device
    run.end("stopped")
    return run


def test_a_resumed_run_keeps_its_device_unless_another_is_given(tmp_path: Path):
    for given, expected in ((None, "cuda"), ("cpu", "cpu"), ("auto", "auto")):
        run = stopped(tmp_path, "cuda")
        prepare(run, device=given).release()
        assert Run.open(run.path).info.device == expected


def test_a_device_that_does_not_fit_is_not_noted(tmp_path: Path):
    run = stopped(tmp_path, "cuda:1")
    for refused in ({"device": "gpu"}, {"processes": Processes(nproc=2)}):
        with pytest.raises(SpivaeError, match="--device: "):
            prepare(run, **refused)  # type: ignore[arg-type]
    info = Run.open(run.path).info
    assert (info.device, info.nproc, info.state) == ("cuda:1", 1, "stopped")
    Lock.take(run).release()


def test_alone_a_process_takes_any_device(gpus: Gpus, tmp_path: Path):
    gpus(2)
    run = Run.create(tmp_path, TINY)
    assert Team().usable("cuda:1", run) == Team().device("cuda:1") == "cuda:1"


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Group]:
    """The second of two workers on this machine; what it tells torch is in `told`."""
    told: dict[str, Any] = {}
    names = {"WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "LOCAL_RANK": 1, "RANK": 1, "MASTER_PORT": 1}
    for name, value in names.items():
        monkeypatch.setenv(name, str(value))
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        monkeypatch.setenv(name, "lo")
    monkeypatch.setattr(torch.cuda, "set_device", lambda index: told.update(index=index))
    monkeypatch.setattr(
        torch.distributed, "init_process_group", lambda backend, **_: told.update(backend=backend)
    )
    monkeypatch.setattr(distributed, "read_owner", lambda path: distributed.Owner.of(os.getppid()))

    def made(kind: str) -> Group:
        run, store = Run.create(tmp_path, TINY, device=kind), FileStore(str(tmp_path / "store"))
        store.set("spivae/1/first", "0")
        group = Group(run, store, kind)
        group.told = told  # type: ignore[attr-defined]
        return group

    return made


def test_a_worker_takes_the_gpu_of_its_number_and_nccl(
    worker: Callable[[str], Any], gpus: Gpus, tmp_path: Path
):
    gpus(2)
    group = worker("cuda")
    assert group.told == {"backend": "nccl", "index": 1}
    assert group.usable("auto", Run.create(tmp_path, TINY)) == "cuda"  # what it was started for
    assert group.device("cuda") == "cuda:1"


def test_a_worker_on_the_cpu_takes_gloo(worker: Callable[[str], Any], gpus: Gpus):
    gpus(2)
    group = worker("cpu")
    assert group.told == {"backend": "gloo"}
    assert group.device("cpu") == "cpu"


def test_a_worker_on_a_machine_with_too_few_gpus_says_so(worker: Callable[[str], Any], gpus: Gpus):
    gpus(1)
    with pytest.raises(SpivaeError, match=r"2 processes on a machine with 1 GPU; take at most --nproc 1"):
        worker("cuda")
