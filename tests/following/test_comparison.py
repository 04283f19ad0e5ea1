"""Runs side by side: what differs, which is best, and curves that share their axes."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_series import step, validated

from spivae.figure.spec import Figure, Line
from spivae.following.comparison import Comparison
from spivae.following.overlay import COLORS, Member, overlay
from spivae.following.series import RunSeries
from spivae.training.differences import differences, short_names
from spivae.training.metrics import MetricsWriter
from spivae.training.recipe import Recipe, with_overrides
from spivae.training.run import Run, RunInfo

FRESH = Recipe()


def varied(**overrides: str) -> Recipe:
    return with_overrides(FRESH, {key.replace("__", "."): value for key, value in overrides.items()})


def test_differences_are_the_fields_that_are_not_the_same_in_all():
    two = varied(training__seed="3", training__phase="[{epochs = 2, beta = 1e-3}, {epochs = 1}]")
    found = differences([FRESH, two])
    assert found["training.seed"] == [0, 3]
    assert found["training.phase.0.beta"] == [0.0, 1e-3]
    assert found["training.phase.1.epochs"] == [None, 1]
    assert "training.batch" not in found
    assert differences([FRESH, FRESH]) == {}
    assert differences([FRESH, None]) == {}  # a recipe that cannot be read differs in nothing that is known


def test_what_a_recipe_does_not_say_of_its_model_is_compared_as_its_default():
    wide, same = varied(model__z_dim="8"), varied(model__z_dim="6", model__nf="[16, 16, 16, 16]")
    assert differences([FRESH, wide, same]) == {"model.z_dim": [6, 8, 6]}
    assert differences([FRESH, same]) == {}
    other = differences([FRESH, varied(model__architecture="scaled-wavenet-vae")])
    assert other["model.architecture"] == ["wavenet-vae", "scaled-wavenet-vae"]
    assert other["model.nf"] == [[16, 16, 16, 16], None]
    assert "model.o_dim" not in differences([FRESH, varied(dataset__steps="200")])


def test_short_names_are_the_ends_that_tell_paths_apart():
    assert short_names(["training.phase.0.beta", "training.phase.1.beta", "training.seed"]) == {
        "training.phase.0.beta": "phase.0.beta",
        "training.phase.1.beta": "phase.1.beta",
        "training.seed": "seed",
    }
    assert short_names(["seed", "a.seed"]) == {"seed": "seed", "a.seed": "a.seed"}


def series(level: float, steps: int = 40, pace: float = 0.5) -> RunSeries:
    found = RunSeries()
    for number in range(1, steps + 1):
        found.feed([step(number, level + 1 / number) | {"seconds": number * pace}])
        if number % 10 == 0:
            row = validated(number // 10, level)
            found.feed([row | {"neg_elbo": level + 0.1, "kl": [2.0, 1.0], "seconds": number * pace}])
    return found


def members(count: int) -> list[Member]:
    info = RunInfo(id="x", process="sbm", epochs=4, created=0.0, steps=40)
    return [
        Member(f"run {number}", series(float(number), pace=number + 1.0), info) for number in range(count)
    ]


def lines(figure: Figure, panel: int) -> list[Line]:
    found = [mark for mark in figure.panels[panel].marks if isinstance(mark, Line) and not mark.muted]
    return found


def test_all_runs_share_their_axes():
    figure = overlay(members(3))
    assert [panel.y.label for panel in figure.panels] == ["-ELBO", "loss", "KL", "NLL"]
    for number, panel in enumerate(figure.panels):
        assert [line.label for line in lines(figure, number)] == ["run 0", "run 1", "run 2"]
        assert [line.color for line in lines(figure, number)] == [0, 1, 2]
        assert (panel.x.label, panel.x.low, panel.x.high) == ("epoch", 0.0, 4.0)
    assert lines(figure, 0)[2].y.tolist() == pytest.approx([2.1] * 4)
    assert lines(figure, 2)[0].y.tolist() == [3.0] * 4


def test_the_raw_losses_stand_behind_those_of_a_few_runs():
    muted = [sum(mark.muted for mark in overlay(members(n)).panels[1].marks) for n in (2, 3, 4)]
    assert muted == [2, 3, 0]


def test_along_steps_and_hours_the_same_validations_lie_elsewhere():
    at = {along: lines(overlay(members(2), along), 0)[1].x for along in ("epoch", "step", "time")}
    assert at["epoch"].tolist() == [1, 2, 3, 4]
    assert at["step"].tolist() == [10, 20, 30, 40]
    assert at["time"] == pytest.approx(np.array([20, 40, 60, 80]) / 3600)


def test_of_many_runs_each_has_a_shade_and_the_ends_a_label():
    found = lines(overlay(members(COLORS + 1)), 1)
    assert [line.color for line in found] == [None] * (COLORS + 1)
    assert [line.shade for line in found] == pytest.approx(np.linspace(0, 1, COLORS + 1))
    assert [bool(line.label) for line in found] == [True, *[False] * (COLORS - 1), True]


def test_the_chosen_run_is_in_front_labelled_and_has_its_batches_behind_it():
    many = members(20)
    many[7] = replace(many[7], chosen=True, searched=0.4)
    figure = overlay(many)
    for number in range(4):
        assert [line.label for line in lines(figure, number) if line.front] == ["run 7"]
        assert sum(bool(line.label) for line in lines(figure, number)) == 3
    [raw] = [mark for mark in figure.panels[1].marks if mark.muted]
    assert raw.shade == next(line.shade for line in lines(figure, 1) if line.front)
    assert figure.caption == "Sampled: single spikes may be missing (40% searched)."


def test_runs_without_a_step_are_left_out_of_the_figure():
    info = RunInfo(id="y", process="sbm", epochs=4, created=0.0)
    figure = overlay([Member("new", RunSeries(), info), *members(1)])
    assert [line.label for line in lines(figure, 0)] == ["run 0"]
    assert all(panel.marks == () for panel in overlay([Member("new", RunSeries(), info)]).panels)


def make(folder: Path, recipe: Recipe, level: float, steps: int = 40) -> Run:
    run = Run.create(folder, recipe)
    writer = MetricsWriter(run.metrics_path)
    for number in range(1, steps + 1):
        writer.write(step(number, level))
        if number % 10 == 0:
            writer.write(
                validated(number // 10, level) | {"neg_elbo": level, "kl": [1.0, 2.0], "surviving": [0]}
            )
    writer.close()
    return run


def test_a_comparison_knows_the_best_and_what_differs(tmp_path: Path):
    runs = [make(tmp_path, varied(training__seed=str(n)), level) for n, level in enumerate((2.0, 1.0, 3.0))]
    comparison = Comparison([str(run.path) for run in runs], Run.open)
    assert comparison.poll()
    assert not comparison.poll()
    assert comparison.fields == {"training.seed": "seed"}
    assert comparison.best is not None
    assert comparison.best.view.info.id == runs[1].id
    assert comparison.best.metrics["kl"] == 3.0
    assert [line.label for line in lines(comparison.figure(), 0)] == ["seed 0", "seed 1", "seed 2"]


def test_how_runs_are_trained_differs_too_once_they_have_begun(tmp_path: Path):
    runs = [make(tmp_path, FRESH, 1.0) for _ in range(3)]
    for run, (scale, threads) in zip(runs, [(1.0, 1), (0.3, 2), (1.0, 0)], strict=True):
        run.info.lr_scale, run.info.threads, run.info.started = scale, threads, threads or None
        run.save()
    comparison = Comparison([str(run.path) for run in runs], Run.open)
    comparison.poll()
    assert [run.settings for run in comparison.runs] == [
        {"lr_scale": 1.0, "threads": 1},
        {"lr_scale": 0.3, "threads": 2},
        {"lr_scale": None, "threads": None},
    ]


def test_runs_of_the_same_recipe_are_told_apart_by_their_ids(tmp_path: Path):
    runs = [make(tmp_path, FRESH, 1.0), make(tmp_path, FRESH, 2.0)]
    comparison = Comparison([str(run.path) for run in runs], Run.open)
    comparison.poll()
    assert [line.label for line in lines(comparison.figure(), 0)] == [run.id[-4:] for run in runs]


def test_a_run_that_is_deleted_meanwhile_is_left_out(tmp_path: Path):
    runs = [make(tmp_path, varied(training__seed=str(n)), 1.0) for n in range(3)]
    comparison = Comparison([str(run.path) for run in runs], Run.open)
    comparison.poll()
    shutil.rmtree(runs[0].path)
    assert comparison.poll()
    assert [run.view.info.id for run in comparison.runs] == [run.id for run in runs[1:]]


def test_a_run_that_cannot_be_read_says_why_and_is_read_once_it_can_be(tmp_path: Path):
    runs = [make(tmp_path, varied(training__seed=str(n)), 1.0 + n) for n in range(3)]
    records = runs[0].metrics_path.read_bytes()
    runs[0].metrics_path.unlink()
    runs[0].metrics_path.mkdir()
    comparison = Comparison([str(run.path) for run in runs], Run.open)
    assert comparison.poll()
    said = f"{runs[0].metrics_path}: cannot be read (Is a directory)"
    assert [run.error for run in comparison.runs] == [said, "", ""]
    assert comparison.runs[0].view.state == "broken"
    assert [line.label for line in lines(comparison.figure(), 0)] == ["seed 1", "seed 2"]
    assert not comparison.poll()
    runs[0].metrics_path.rmdir()
    runs[0].metrics_path.write_bytes(records)
    assert comparison.poll()
    assert [run.error for run in comparison.runs] == [""] * 3
    assert comparison.best is comparison.runs[0]


def test_lines_that_no_trainer_writes_are_passed_over(tmp_path: Path):
    run = make(tmp_path, FRESH, 1.0)
    nonsense = [
        b'{"kind":"step","step":"x"}',
        b'{"kind":"step","step":99,"epoch":9,"loss":"low","kl":[1,2],"lr":1,"beta":1,"seconds":1}',
        b'{"kind":"epoch","epoch":9,"step":99,"seconds":1,"neg_elbo":"low"}',
        b'{"kind":"epoch","epoch":9,"step":99,"seconds":1,"mu_cells":[[1],[2,3]]}',
        b'{"kind":["step"]}',
        b'{"kind":"\xff"}',
        b"[1]",
    ]
    with open(run.metrics_path, "ab") as file:
        file.write(b"\n".join(nonsense) + b"\n")
    comparison = Comparison([str(run.path)], Run.open)
    assert comparison.poll()
    [found] = comparison.runs
    assert (found.error, found.view.step, found.metrics["neg_elbo"]) == ("", 40, 1.0)


def test_twenty_live_runs_are_followed_for_a_twentieth_of_a_core(tmp_path: Path):
    runs = [make(tmp_path, varied(training__seed=str(n)), 1.0, steps=400) for n in range(20)]
    comparison = Comparison([str(run.path) for run in runs], Run.open)
    comparison.poll()
    writers = [MetricsWriter(run.metrics_path) for run in runs]
    taken, ticks = 0.0, 8
    for tick in range(ticks):
        for writer in writers:  # each takes two steps between two looks
            for number in (401 + 2 * tick, 402 + 2 * tick):
                writer.write(step(number, 1.0))
        begin = time.process_time()
        assert comparison.poll()
        comparison.figure()
        taken += time.process_time() - begin
    for writer in writers:
        writer.close()
    # looked at once a second
    assert taken / ticks < 2 * 0.05


@pytest.fixture
def pair(tmp_path: Path) -> list[Run]:
    return [make(tmp_path, varied(training__seed=str(n)), level) for n, level in enumerate((2.0, 1.0))]


def test_the_command_line_shows_them_side_by_side(pair: list[Run], tmp_path: Path, capsys: Any):
    from spivae.cli import main

    names = [run.id for run in pair]
    assert main(["compare", *names, "--run-dir", str(tmp_path), "--width", "80", "--height", "24"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["run", "seed", "state", "epoch", "-ELBO", "NLL", "KL", "latents"]
    assert [line.startswith("*") for line in out[1:3]] == [False, True]
    assert "-ELBO (nats/step)" in out[4]
    assert len(out) == 4 + 24


def test_the_command_line_sorts_and_exports(pair: list[Run], tmp_path: Path, capsys: Any):
    import json

    from spivae.cli import main

    arguments = ["compare", *(str(run.path) for run in pair), "--sort", "neg_elbo", "--json"]
    files = [str(tmp_path / name) for name in ("curves.csv", "curves.txt")]  # built in, and a plugin's
    assert main([*arguments, "--export", files[0], "--export", files[1]]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["fields"] == ["training.seed"]
    assert answer["best"] == pair[1].id
    assert [run["settings"] for run in answer["runs"]] == [{"training.seed": 1}, {"training.seed": 0}]
    assert answer["exported"] == files
    assert all(Path(file).stat().st_size for file in files)
    assert main(["compare", str(pair[0].path), "--sort", "size"]) == 2
    assert "--sort: 'size' is none of neg_elbo, nll, kl" in capsys.readouterr().err
