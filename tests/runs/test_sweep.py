"""Sweeps: every point of a grid once, so many at a time, whatever happens to the queue."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from spivae.catalog import moved_on, scan_runs
from spivae.errors import SpivaeError
from spivae.following.follower import RunFollower
from spivae.training import recipe as recipes
from spivae.training import sweep as sweeps
from spivae.training.lock import Lock, Locked, Owner, read_owner
from spivae.training.resume import prepare
from spivae.training.run import Run, find_run, list_runs
from spivae.training.sweep import Sweep, find_sweep
from spivae.training.sweep_grid import points, read_grid
from spivae_tui.run_words import advice
from tests.commands import wait_for

SHORT = ("--set", "training.phase=[{epochs = 1}]")


@pytest.fixture
def sweep(tiny_recipe: Path, tmp_path: Path) -> Sweep:
    """A sweep of four runs, of which two may train at once."""
    grid = read_grid(["training.phase.1.beta=1e-3,5e-3", "training.seed=0..1"])
    return Sweep.create(tmp_path, recipes.load(tiny_recipe), grid, jobs=2)


def test_a_grid_gives_every_combination_in_order():
    assert read_grid(["seed=0..2, 7,9..10"]) == {"seed": ["0", "1", "2", "7", "9", "10"]}
    assert read_grid(["file='../a'"]) == {"file": ["'../a'"]}
    grid = read_grid(["a.b=1e-3, 5e-3", "seed=0..2", "nf=[4, 4],[8, 8]"])
    assert grid == {"a.b": ["1e-3", "5e-3"], "seed": ["0", "1", "2"], "nf": ["[4, 4]", "[8, 8]"]}
    made = points(grid)
    assert len(made) == 12
    assert made[0] == {"a.b": "1e-3", "seed": "0", "nf": "[4, 4]"}
    assert made[-1] == {"a.b": "5e-3", "seed": "2", "nf": "[8, 8]"}
    assert len({tuple(point.items()) for point in made}) == 12


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["seed"], "'seed' is not of the form"),
        (["seed="], "'seed=' is not of the form"),
        (["seed=1,,2"], "has an empty value"),
        (["seed=[1,2"], "has a bracket without its other half"),
        (["seed=4..0"], r"needs a range that rises, as 0\.\.4"),
        (["seed=0..99999"], "makes 100000 runs; needs at most 10,000"),
        *(
            ([f"seed={text}"], rf"'seed={re.escape(text)}': {re.escape(text)} is no range; .* as in 0\.\.4")
            for text in ("0..", "..4", "0...4", "0..1.5", "0..4..2", "a..b")
        ),
        (["seed=1,1"], "has a value twice"),
        (["seed=1", "seed=2"], "seed is given twice"),
    ],
)
def test_what_is_no_grid_is_told(texts: list[str], message: str):
    with pytest.raises(SpivaeError, match=f"--grid: .*{message}|--grid: {message}"):
        read_grid(texts)


def test_a_grid_that_is_too_large_is_refused():
    with pytest.raises(SpivaeError, match="makes 1000000 runs"):
        points(read_grid(["a=0..999", "b=0..999"]))


def test_each_run_has_the_recipe_of_its_point(sweep: Sweep, tmp_path: Path):
    runs = list(sweep.runs().values())
    tables = [run.recipe.training for run in runs]
    assert [(table.phase[1].beta, table.seed) for table in tables] == [
        (1e-3, 0), (1e-3, 1), (5e-3, 0), (5e-3, 1),
    ]  # fmt: skip
    with Lock.take(sweep):
        assert [run.state() for run in runs] == ["queued"] * 4
    assert {run.id for run in list_runs(tmp_path)} == {run.id for run in runs}
    assert find_run(runs[2].id, tmp_path).id == runs[2].id
    found = find_sweep(sweep.id[:9], tmp_path)
    assert found is not None
    assert found.info == sweep.info


def test_a_wrong_setting_makes_nothing(tiny_recipe: Path, tmp_path: Path):
    with pytest.raises(SpivaeError, match=r"training\.phase\.1\.betta: unknown key"):
        Sweep.create(tmp_path / "runs", recipes.load(tiny_recipe), {"training.phase.1.betta": ["1"]}, jobs=2)
    assert not (tmp_path / "runs").exists()


def test_runs_whose_queue_has_ended_wait_for_nothing_and_say_so_everywhere(
    sweep: Sweep, spivae: Callable[..., Any]
):
    first, second, *_ = sweep.runs().values()
    with Lock.take(sweep):
        entries = list(scan_runs([sweep.path]))
        assert {(entry.state, entry.why) for entry in entries} == {("queued", "")}
        assert moved_on(entries) == []
        with pytest.raises(Locked, match="is queued"):
            prepare(first)
    why = f"not begun, and the queue of {sweep.id} has ended; `spivae resume {sweep.id}` goes on"
    moved = moved_on(entries)
    assert [(entry.state, entry.why) for entry in moved] == [("stopped", why)] * 4
    assert spivae("ls", sweep.path).out.splitlines()[-1] == f"4 runs {why}"
    assert spivae("watch", first.path).out.splitlines() == [f"stopped: {why}", f"stopped: {first.id}"]
    assert spivae("logs", first.path, "--follow").err == f"error: {first.id}: has no log; {why}\n"
    *_, view = RunFollower(str(first.path), Run.open).poll()
    assert advice(view) == (f"N{why[1:]} with all that wait; r trains this one alone.", "warn")
    assert first.info.state == "queued"  # nobody has written anything
    prepare(first).release()
    assert spivae("stop", second.path).out == f"{second.id}: stopped\n"
    assert Run.open(second.path).info.state == "stopped"
    with Lock.take(sweep):
        assert {entry.state for entry in moved_on(moved)} == {"queued"}


def test_a_queue_on_another_host_has_ended_once_it_shows_no_sign_of_life(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
):
    [first, *_] = sweep.runs().values()
    sweep.lock_path.write_bytes(msgspec.json.encode(Owner("elsewhere", 1)))
    assert sweep.has_queue()
    assert first.state() == "queued"
    monkeypatch.setattr("spivae.owner.STALE_SECONDS", -1.0)
    assert not sweep.has_queue()
    assert first.state() == "stopped"


class Trainers:
    """In place of processes: runs that were started, and train until `end`."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def start(self, run: Run, lock: Lock, *, threads: int | None = None) -> None:
        self.started.append(run.id)
        run.info.state = "running"
        run.note_process(os.getpid())

    def end(self, run: Run, state: Any = "finished") -> None:
        run.refresh()
        run.end(state)


@pytest.fixture
def trainers(monkeypatch: pytest.MonkeyPatch) -> Trainers:
    found = Trainers()
    monkeypatch.setattr(sweeps, "start", found.start)
    monkeypatch.setattr(sweeps, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(sweeps, "idle_threads", lambda: 64)  # whatever else the machine does
    return found


def test_the_queue_trains_all_and_never_more_than_it_may(
    sweep: Sweep, trainers: Trainers, capsys: pytest.CaptureFixture[str]
):
    runs = list(sweep.runs().values())
    queue = threading.Thread(target=sweeps.work, args=(sweep,))
    queue.start()
    for count in range(2, 5):
        wait_for(lambda count=count: len(trainers.started) == count)
        time.sleep(0.05)
        assert trainers.started == [run.id for run in runs[:count]]
        trainers.end(runs[count - 2], "failed" if count == 2 else "finished")
    trainers.end(runs[3])
    queue.join(60)
    assert not queue.is_alive()
    ends = [line for line in capsys.readouterr().out.splitlines() if "started" not in line]
    assert ends[0].startswith(f"{runs[0].id}: failed: ")
    assert ends[1:] == [f"{run.id}: finished" for run in runs[1:]]
    assert not sweep.lock_path.exists()


def test_a_run_that_was_stopped_or_deleted_while_it_waited_is_passed_over(sweep: Sweep, trainers: Trainers):
    import shutil

    from spivae.training.stopping import stop

    runs = list(sweep.runs().values())
    assert stop(runs[0]) == "stopped"
    shutil.rmtree(runs[1].path)
    queue = threading.Thread(target=sweeps.work, args=(sweep,))
    queue.start()
    wait_for(lambda: len(trainers.started) == 2)
    for run in runs[2:]:
        trainers.end(run)
    queue.join(60)
    assert trainers.started == [runs[2].id, runs[3].id]


def test_a_queue_that_is_asked_to_stop_starts_nothing_more(
    sweep: Sweep, trainers: Trainers, capsys: pytest.CaptureFixture[str]
):
    queue = threading.Thread(target=sweeps.work, args=(sweep,))
    queue.start()
    wait_for(lambda: len(trainers.started) == 2)
    wait_for(lambda: [run.info.state for run in sweep.runs().values()].count("running") == 2)
    assert len(sweep.stop()) == 2
    queue.join(60)
    assert not queue.is_alive()
    runs = list(sweep.runs().values())
    assert [run.stop_path.exists() for run in runs] == [True, True, False, False]
    assert capsys.readouterr().out.endswith("\nstopped: starts no more runs\n")
    assert [run.info.state for run in runs] == ["running", "running", "queued", "queued"]


def test_a_run_that_starts_while_the_sweep_is_stopped_is_stopped_too(
    sweep: Sweep, trainers: Trainers, monkeypatch: pytest.MonkeyPatch
):
    def start(run: Run, lock: Lock, *, threads: int | None = None) -> None:
        assert sweep.stop() == []  # it has looked, and has seen no trainer
        trainers.start(run, lock, threads=threads)

    monkeypatch.setattr(sweeps, "start", start)
    sweeps.work(sweep)
    runs = list(sweep.runs().values())
    assert [run.stop_path.exists() for run in runs] == [True, False, False, False]
    assert trainers.started == [runs[0].id]


def test_a_new_queue_counts_what_the_killed_one_has_started(sweep: Sweep, trainers: Trainers):
    runs = list(sweep.runs().values())
    trainers.start(runs[0], Lock(runs[0].lock_path))
    queue = threading.Thread(target=sweeps.work, args=(sweep,))
    queue.start()
    wait_for(lambda: len(trainers.started) == 2)
    time.sleep(0.05)
    assert trainers.started == [runs[0].id, runs[1].id]
    sweep.stop()
    queue.join(60)


def test_a_sweep_from_the_command_line_to_its_best_run(
    spivae: Callable[..., Any], tiny_recipe: Path, tmp_path: Path
):
    at = ("--run-dir", tmp_path)
    made = spivae(
        "sweep", tiny_recipe, *SHORT, "--grid", "training.seed=0,1,2", "--jobs", 1, *at, "--json"
    ).json
    sweep = Sweep.open(made["path"])
    assert any(run.state() != "finished" for run in sweep.runs().values())  # it was not waited for
    assert made["id"] == sweep.id
    ids = list(sweep.runs())
    queue = read_owner(sweep.lock_path)
    assert queue is not None
    assert os.getsid(queue.pid) != os.getsid(0)
    with pytest.raises(Locked):
        sweep.launch()
    wait_for(lambda: any(run.has_trainer() for run in sweep.runs().values()))
    os.kill(queue.pid, signal.SIGKILL)
    wait_for(lambda: all(not run.has_trainer() for run in sweep.runs().values()))
    listed = {run["id"]: (run["state"], run["why"]) for run in spivae("runs", *at, "--json").json}
    why = f"not begun, and the queue of {sweep.id} has ended; `spivae resume {sweep.id}` goes on"
    assert sorted(listed.values()) == [("finished", ""), ("stopped", why), ("stopped", why)]
    assert spivae("runs", *at).out.splitlines()[-2:] == ["", f"2 runs {why}"]
    shown = spivae("sweep", sweep.id, *at).out
    assert "finished" in shown
    assert "2 runs waiting, but the queue has ended" in shown

    assert spivae("resume", sweep.id[:8], *at).out == f"{sweep.id}\n"
    wait_for(lambda: all(run.state() == "finished" for run in sweep.runs().values()))
    answer = spivae("sweep", sweep.path, "--sort", "neg_elbo", "--json").json
    elbos = [run["metrics"]["neg_elbo"] for run in answer["runs"]]
    assert elbos == sorted(elbos)
    assert answer["best"] == answer["runs"][0]["id"]
    assert sorted(run["settings"]["training.seed"] for run in answer["runs"]) == [0, 1, 2]
    wait_for(lambda: not sweep.has_queue())
    told = spivae("logs", sweep.id, *at).out.splitlines()
    assert sorted(told[-4:]) == sorted(
        f"{run}: {word}" for run in ids[1:] for word in ("started", "finished")
    )
    for command, words in (
        ("stop", f"has already ended; `spivae sweep {sweep.id}` shows how"),
        ("resume", "all of its runs have finished; `spivae sweep RECIPE --grid A.B=V1,V2` makes new ones"),
    ):
        refused = spivae(command, sweep.id, *at)
        assert (refused.code, refused.out, refused.err) == (2, "", f"error: {sweep.id}: {words}\n")
    assert not sweep.stop_path.exists()
    marked = [line for line in spivae("sweep", sweep.id, *at).out.splitlines() if line.startswith("*")]
    assert [line.split()[1] for line in marked] == [answer["best"]]
    assert len(spivae("runs", *at, "--json").json) == 3
    assert spivae("sweep", sweep.id, *at, "--sort", "size").code == 2


def test_what_is_no_sweep_is_told(spivae: Callable[..., Any], tiny_recipe: Path, tmp_path: Path):
    refused = spivae("sweep", tiny_recipe, "--run-dir", tmp_path)
    assert refused.code == 2
    assert "a new one needs --grid" in refused.err
    refused = spivae("sweep", tiny_recipe, "--run-dir", tmp_path, "--grid", "process.name=sbm,nothing")
    assert "unknown process 'nothing'" in refused.err
    refused = spivae("sweep", tiny_recipe, "--run-dir", tmp_path, "--grid", "training.seed=1,x")
    assert refused.err.startswith("error: --grid: training.seed=x: recipe: training.seed: Expected `int`")
    assert not list(tmp_path.iterdir())


def test_no_more_runs_of_a_sweep_train_at_once_than_there_are_cores_for(
    spivae: Callable[..., Any], tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("spivae.training.sweep.usable_threads", lambda: 5)
    monkeypatch.setattr(Sweep, "launch", lambda self: None)
    grid = ("--grid", "training.seed=0..9", "--run-dir", tmp_path, "--json")
    for flags, jobs in (
        ((), 5),
        (("--threads", 2), 2),
        (("--nproc", 6), 1),
        (("--jobs", 7), 5),
        (("--jobs", 3), 3),
    ):
        made = spivae("sweep", tiny_recipe, *grid, *flags).json
        assert Sweep.open(made["path"]).info.jobs == jobs
