"""Resuming: to the very weights of a training that was never interrupted, wherever it was cut."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors.torch import save as safetensors_save
from test_loop import SBM, TINY, Overflowing

from spivae.checkpoint import read
from spivae.errors import SpivaeError, WorkFailed
from spivae.training import loop
from spivae.training.loop import Events, train
from spivae.training.metrics import MetricsReader, epochs_so_far
from spivae.training.recipe import to_toml, with_overrides
from spivae.training.run import Change, Run
from spivae.training.state import Way, read_state
from spivae.training.step import Means

EVERY = 4
RECIPE = with_overrides(TINY, {"training.checkpoint_every": str(EVERY)})  # 3 epochs of 9 steps, 2 phases


class Killed(BaseException):
    """What no handler of a trainer catches."""


def kill_at(step: int) -> Events:
    def check(record: dict[str, Any]) -> None:
        if record["step"] == step:
            raise Killed

    return Events(step=check)


def weights(run: Run, name: str = "final") -> dict[str, np.ndarray]:
    found = read(run.checkpoint_folder / f"{name}.safetensors").weights
    assert found is not None
    return found


def assert_same(run: Run, other: Run, name: str = "final") -> None:
    ours, theirs = weights(run, name), weights(other, name)
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        assert_array_equal(value, theirs[key])


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Run]:
    """Runs that were never interrupted, by their threads."""

    @cache
    def made(threads: int) -> Run:
        run = Run.create(tmp_path_factory.mktemp("whole"), RECIPE)
        train(run, SBM, threads=threads)
        return run

    return made


@pytest.fixture
def whole(uninterrupted: Callable[[int], Run]) -> Run:
    return uninterrupted(1)


# before the first state, at one, behind one, at an epoch's end, in the second phase, at the last step
@pytest.mark.parametrize(
    ("step", "threads"), [(3, 1), (4, 1), (7, 1), (9, 1), (18, 1), (21, 1), (27, 1), (7, 2)]
)
def test_a_killed_training_resumes_to_the_same_bits(
    uninterrupted: Callable[[int], Run], threads: int, step: int, tmp_path: Path
):
    run, whole = Run.create(tmp_path, RECIPE), uninterrupted(threads)
    with pytest.raises(Killed):
        train(run, SBM, threads=threads, events=kill_at(step))
    assert train(run, SBM, resume=True) == "finished"
    assert run.info.threads == threads
    assert_same(run, whole)
    assert_same(run, whole, "best")
    mine, theirs = (read(r.checkpoint_folder / "final.safetensors") for r in (run, whole))
    for record, other in zip(mine.history, theirs.history, strict=True):
        for key in ("epoch", "step", "train_loss", "nll", "kl", "nll_cells", "mu_cells"):
            assert record.get(key) == other.get(key)
    assert {path.stem for path in run.checkpoints()} == {path.stem for path in whole.checkpoints()}
    assert not run.state_path.exists()


def test_a_training_killed_again_and_again_gets_there(whole: Run, tmp_path: Path):
    run = Run.create(tmp_path, RECIPE)
    for step in (5, 6, 10, 13, 20, 26):
        with pytest.raises(Killed):
            train(run, SBM, threads=1, events=kill_at(step), resume=True)
    train(run, SBM, resume=True)
    assert_same(run, whole)
    records = MetricsReader(run.metrics_path).poll()
    assert records[-1]["attempt"] == run.info.attempt == 7
    repeated = [r["step"] for r in records if r["kind"] == "step"]
    assert len(repeated) - 27 <= 6 * EVERY
    assert [r["epoch"] for r in epochs_so_far(run.metrics_path, 3)] == [1, 2, 3]


def test_a_stopped_training_resumes_to_the_same_bits(whole: Run, tmp_path: Path):
    run = Run.create(tmp_path, RECIPE)
    asked: list[dict[str, Any]] = []

    def stop_at_14(record: dict[str, Any]) -> None:
        if record["step"] == 14:
            asked.append(record)

    events = Events(step=stop_at_14)
    assert train(run, SBM, threads=1, events=events, should_stop=lambda: bool(asked)) == "stopped"
    assert (run.checkpoint_folder / "stopped.safetensors").exists()
    train(run, SBM, resume=True)
    assert_same(run, whole)
    steps = [r["step"] for r in MetricsReader(run.metrics_path).poll() if r["kind"] == "step"]
    assert steps == list(range(1, 28))  # nothing was repeated
    assert not (run.checkpoint_folder / "stopped.safetensors").exists()


def test_seconds_go_on_without_the_time_between(tmp_path: Path):
    run = Run.create(tmp_path, RECIPE)
    with pytest.raises(Killed):
        train(run, SBM, threads=1, events=kill_at(14))
    before = read_state(run)
    assert before is not None
    train(run, SBM, resume=True)
    again = [r for r in MetricsReader(run.metrics_path).poll() if r["kind"] == "step" and r["attempt"] == 2]
    assert again[0]["step"] == 13
    assert before.position.seconds <= again[0]["seconds"]


def test_a_diverged_training_keeps_its_last_good_state_and_goes_on_at_a_lower_rate(tmp_path: Path):
    run = Run.create(tmp_path, RECIPE)
    with pytest.raises(WorkFailed, match=rf"step 19; lower .* or go on .*: `spivae resume {run.id} --lr-sc"):
        train(run, Overflowing(), threads=1)
    state = read_state(run)
    assert state is not None
    assert state.position.step == 16
    run.info.lr_scale = 0.3
    run.save()
    assert train(run, SBM, resume=True) == "finished"
    rates = {r["step"]: r["lr"] for r in MetricsReader(run.metrics_path).poll() if r["kind"] == "step"}
    straight = Run.create(tmp_path, RECIPE)
    train(straight, SBM, threads=1)
    asked = {r["step"]: r["lr"] for r in MetricsReader(straight.metrics_path).poll() if r["kind"] == "step"}
    assert rates[16] == asked[16]
    assert [rates[step] for step in range(17, 28)] == pytest.approx(
        [0.3 * asked[step] for step in range(17, 28)]
    )


def test_a_second_divergence_asks_for_a_lower_rate_than_the_first(tmp_path: Path):
    run = Run.create(tmp_path, RECIPE)
    with pytest.raises(WorkFailed, match=rf"`spivae resume {run.id} --lr-scale 0\.3`"):
        train(run, Overflowing(), threads=1)
    run.info.lr_scale = 0.3
    run.save()
    again = Overflowing()
    again.calls = 1  # it goes on in the epoch before the last
    with pytest.raises(WorkFailed, match=rf"step 19; .*`spivae resume {run.id} --lr-scale 0\.09`"):
        train(run, again, resume=True)


def test_the_hint_s_rate_is_the_recipe_s_times_the_scale(tmp_path: Path):
    run = Run.create(tmp_path, RECIPE)
    run.info.lr_scale = 0.3
    run.save()
    rate = 0.3 * RECIPE.training.phase[1].lr_max
    with pytest.raises(WorkFailed, match=rf"lower training\.phase\.1\.lr_max \({rate:g}\)"):
        train(run, Overflowing(), threads=1)


# where a state is saved, at the end of a phase, and at that of the training
@pytest.mark.parametrize(("step", "kept"), [(8, 4), (18, 16), (27, 24)])
@pytest.mark.parametrize("spoilt", ["weights", "moments"])
def test_a_model_that_is_no_longer_finite_ends_as_a_divergence_does(
    step: int, kept: int, spoilt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = Run.create(tmp_path, RECIPE)
    real = loop.train_step
    taken = []

    def train_step(model: Any, optimizer: Any, *rest: Any) -> Means:
        means = real(model, optimizer, *rest)
        taken.append(means.loss)
        if len(taken) == step:
            weight = next(model.parameters())
            bad = weight.data if spoilt == "weights" else optimizer.state[weight]["exp_avg"]
            bad.fill_(np.inf)
        return means

    monkeypatch.setattr(loop, "train_step", train_step)
    with pytest.raises(WorkFailed, match=rf"the model diverged at step {step}; .* --lr-scale 0\.3`"):
        train(run, SBM, threads=1)
    assert np.isfinite(taken[-1])
    run.refresh()
    assert (run.info.state, "diverged" in str(run.info.error)) == ("failed", True)
    state = read_state(run)
    assert state is not None
    assert state.position.step == kept
    for path in run.checkpoints():
        assert all(np.isfinite(weight).all() for weight in weights(run, path.stem).values())
    monkeypatch.undo()
    assert train(run, SBM, resume=True) == "finished"


def killed(tmp_path: Path, threads: int = 1) -> Run:
    """A run that was killed at step 7, with a state of step 4."""
    run = Run.create(tmp_path, RECIPE)
    with pytest.raises(Killed):
        train(run, SBM, threads=threads, events=kill_at(7))
    return run


def test_a_way_that_does_not_change_is_not_told(tmp_path: Path):
    run = killed(tmp_path)
    train(run, SBM, resume=True)
    assert Run.open(run.path).info.changes == ()


def test_other_threads_are_told_from_the_step_on_where_they_count(tmp_path: Path):
    run = killed(tmp_path)
    with pytest.raises(Killed):  # before there is a state of it
        train(run, SBM, threads=2, events=kill_at(6), resume=True)
    assert Run.open(run.path).info.changes == (Change(4, "threads 2, not 1"),)
    with pytest.raises(Killed):  # of the two threads nothing was left
        train(run, SBM, threads=1, events=kill_at(10), resume=True)
    assert Run.open(run.path).info.changes == ()
    with pytest.raises(Killed):
        train(run, SBM, threads=2, events=kill_at(14), resume=True)
    train(run, SBM, threads=1, resume=True)
    assert Run.open(run.path).info.changes == (Change(8, "threads 2, not 1"), Change(12, "threads 1, not 2"))


def test_another_code_path_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = killed(tmp_path)
    monkeypatch.setattr("spivae.training.loop.why_plain", lambda model: "no longer")
    told: list[Change] = []
    events = Events(started=lambda run: told.extend(run.info.changes))
    train(run, SBM, resume=True, events=events)
    assert told == [Change(4, "code path plain, not fast")]


@pytest.mark.parametrize("keeps_ways", [True, False], ids=["state", "state of before ways were kept"])
def test_what_was_begun_in_the_plain_form_goes_on_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keeps_ways: bool
):
    whole = Run.create(tmp_path / "whole", RECIPE)
    with monkeypatch.context() as patch:
        patch.setattr("spivae.training.loop.why_plain", lambda model: "not yet covered")
        train(whole, SBM, threads=1)
        run = killed(tmp_path)
    if not keeps_ways:
        state = read_state(run)
        assert state is not None
        state.position.way = None
        described = {"spivae_state": msgspec.json.encode(state.position).decode()}
        run.state_path.write_bytes(safetensors_save(state._tensors, described))
    train(run, SBM, resume=True)
    info = Run.open(run.path).info
    assert (info.code_path, info.why_plain, info.changes) == ("plain", "as it was begun", ())
    assert_same(run, whole)


def test_a_training_that_begins_anew_has_not_changed(tmp_path: Path):
    run = Run.create(tmp_path, RECIPE)
    with pytest.raises(Killed):
        train(run, SBM, threads=1, events=kill_at(3))
    train(run, SBM, threads=2, resume=True)
    assert Run.open(run.path).info.changes == ()


def test_a_state_of_before_ways_were_kept_is_resumed(tmp_path: Path):
    run = killed(tmp_path)
    state = read_state(run)
    assert state is not None
    state.position.way = None
    content = safetensors_save(state._tensors, {"spivae_state": msgspec.json.encode(state.position).decode()})
    run.state_path.write_bytes(content)
    assert train(run, SBM, threads=2, resume=True) == "finished"
    assert Run.open(run.path).info.changes == ()


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (Way("cuda", "plain", 2, 1), "device cuda, not cpu; code path plain, not fast"),
        (Way("cpu", "fast", 2, 4), "processes 4, not 1; threads 2, not 1"),
        (Way("cpu", "fast", 1, 1), ""),
    ],
)
def test_what_is_another_way(now: Way, said: str):
    assert now.changes(Way("cpu", "fast", 1, 1)) == said
    assert Way("cuda", "plain", 1, 1).changes(Way("cuda", "plain", 2, 1)) == ""


def test_another_recipe_is_not_resumed(tmp_path: Path):
    run = Run.create(tmp_path, RECIPE)
    with pytest.raises(Killed):
        train(run, SBM, threads=1, events=kill_at(6))
    run.recipe_path.write_text(to_toml(with_overrides(RECIPE, {"training.phase.1.epochs": "2"})))
    with pytest.raises(SpivaeError, match=r"recipe\.toml: has changed since resume\.safetensors was written"):
        train(run, SBM, resume=True)


@pytest.mark.parametrize(
    "damage", [lambda c: c[: len(c) // 2], lambda c: b"", lambda c: c[:8] + b"x" + c[9:]]
)
def test_a_damaged_state_is_told(damage: Any, tmp_path: Path):
    run = Run.create(tmp_path, RECIPE)
    with pytest.raises(Killed):
        train(run, SBM, threads=1, events=kill_at(6))
    run.state_path.write_bytes(damage(run.state_path.read_bytes()))
    with pytest.raises(
        SpivaeError, match=r"resume\.safetensors: damaged .*delete it to train from the first"
    ):
        train(run, SBM, resume=True)


def test_a_kill_while_a_state_is_written_leaves_the_one_before(
    whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = Run.create(tmp_path, RECIPE)
    import spivae.files as files

    real, written = files.os.replace, []

    def dying(source: str, target: Path) -> None:
        if Path(target).name == "resume.safetensors":
            written.append(target)
            if len(written) == 3:
                raise Killed
        real(source, target)

    monkeypatch.setattr(files.os, "replace", dying)
    with pytest.raises(Killed):
        train(run, SBM, threads=1)
    monkeypatch.undo()
    state = read_state(run)
    assert state is not None
    assert state.position.step == 8
    train(run, SBM, resume=True)
    assert_same(run, whole)
