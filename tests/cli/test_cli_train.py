"""`train`, `runs`, `stop`: a training from its first step to its end, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import children_seconds

from spivae.checkpoint import read_header
from spivae.cli.training_progress import Lines
from spivae.training import recipe as recipes
from spivae.training.run import Run

LONG = ["--set", "training.phase.1.epochs=5000"]


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "spivae", "train", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def records(run: Run) -> list[dict]:
    return [json.loads(line) for line in run.metrics_path.read_text().splitlines()]


def test_train_prints_the_id_first_and_a_line_an_epoch_on_stderr(spivae, tiny_recipe: Path, tmp_path: Path):
    trained = spivae("train", tiny_recipe, "--run-dir", tmp_path, "--set", "training.phase.1.epochs=1")
    assert trained.code == 0
    run = Run.open(tmp_path / trained.out.strip())
    assert run.state() == "finished"
    lines = trained.err.splitlines()
    assert lines[0] == f"{run.path}: 6 steps in 2 epochs"
    assert lines[1] == "fast path, 1 thread"
    assert lines[2].startswith("epoch 1/2  beta 0  NLL ")
    assert (run.info.code_path, run.info.why_plain, run.info.threads) == ("fast", None, 1)
    assert lines[-1] == f"finished: {run.path / 'checkpoints' / 'final.safetensors'}"
    assert [r["epoch"] for r in records(run) if r["kind"] == "epoch"] == [1, 2]


def test_a_training_on_the_plain_path_says_why(spivae, tiny_recipe: Path, tmp_path: Path):
    padded = ("--set", "model.use_pad=true", "--set", "training.phase=[{epochs = 1}]")
    trained = spivae("train", tiny_recipe, "--run-dir", tmp_path, *padded)
    why = "use_pad: the fast path has no padding"
    assert trained.err.splitlines()[1] == f"plain path ({why}), 1 thread"
    run = Run.open(tmp_path / trained.out.strip())
    assert (run.info.code_path, run.info.why_plain) == ("plain", why)


def test_a_dry_run_tells_the_cost_and_leaves_nothing(spivae, tiny_recipe: Path, tmp_path: Path):
    told = spivae("train", tiny_recipe, "--run-dir", tmp_path / "runs", "--dry-run")
    assert told.code == 0
    names = ["parameters", "computing", "a step", "an epoch", "all of it", "memory", "disk"]
    assert [line.split("  ")[0] for line in told.out.splitlines()] == names
    assert "fast path, 1 thread" in told.out
    cost = spivae("train", tiny_recipe, "--run-dir", tmp_path / "runs", "--dry-run", "--json").json
    assert cost["threads"] == 1
    assert cost["steps_per_epoch"] == 3
    assert cost["seconds"] > 3 * cost["seconds_per_epoch"]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", ["train", "lr-find"])
def test_no_threads_at_all_are_refused_in_words(spivae, tiny_recipe: Path, command: str):
    failed = spivae(command, tiny_recipe, "--threads", "0")
    assert (failed.code, failed.out) == (2, "")
    assert failed.err == "error: threads: needs at least 1, not 0; leave it out to have it chosen\n"


def test_plugins_hear_of_a_training_and_one_that_raises_is_only_warned_about(
    spivae, tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SPIVAE_PLUGINS", str(tmp_path / "ear.py"))
    (tmp_path / "ear.py").write_text(
        "from spivae.api import hookimpl\n"
        "heard = []\n"
        "@hookimpl\n"
        "def training_started(run): heard.append(run.id)\n"
        "@hookimpl\n"
        "def epoch_finished(run, metrics): raise ValueError('too loud')\n"
        "@hookimpl\n"
        "def training_finished(run, outcome):\n"
        "    (run.path / 'heard').write_text(f'{heard} {outcome}')\n"
    )
    trained = spivae("train", tiny_recipe, "--run-dir", tmp_path / "runs")
    name = trained.out.strip()
    assert trained.code == 0
    assert (tmp_path / "runs" / name / "heard").read_text() == f"['{name}'] finished"
    assert "warning: plugin ear: epoch_finished: ValueError: too loud" in trained.err


def test_an_interrupt_saves_and_ends_cleanly(tiny_recipe: Path, tmp_path: Path):
    process = start(tiny_recipe, "--run-dir", tmp_path, *LONG)
    try:
        wait_for(lambda: any(tmp_path.glob("*/checkpoints/phase-0.safetensors")))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert_stopped(Run.open(tmp_path / out.strip()), err)
    assert "Traceback" not in err


def test_a_termination_saves_and_ends_cleanly(
    spivae, tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SPIVAE_PLUGINS", str(tmp_path / "killer.py"))
    (tmp_path / "killer.py").write_text(
        "import os, signal\n"
        "from spivae.api import hookimpl\n"
        "@hookimpl\n"
        "def epoch_finished(): os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    before = signal.getsignal(signal.SIGTERM)
    ended = spivae("train", tiny_recipe, "--run-dir", tmp_path, *LONG)
    assert ended.code == 0
    assert_stopped(Run.open(tmp_path / ended.out.strip()), ended.err)
    assert signal.getsignal(signal.SIGTERM) == before


def assert_stopped(run: Run, err: str) -> None:
    """The run says so, has its weights, and whole metrics up to its last step."""
    saved = run.checkpoint_folder / "stopped.safetensors"
    assert run.state() == "stopped"
    assert err.splitlines()[-1] == f"stopped: {saved}"
    assert read_header(saved).process == "sbm"
    steps = [record["step"] for record in records(run) if record["kind"] == "step"]
    assert steps == list(range(1, len(steps) + 1))


def test_stop_asks_a_training_to_end(spivae, tiny_recipe: Path, tmp_path: Path):
    run = Run.create(tmp_path, recipes.load(tiny_recipe))
    run.claim(1, "cpu")
    [listed] = spivae("runs", "--run-dir", tmp_path, "--json").json
    assert (listed["state"], listed["pid"]) == ("running", os.getpid())
    asked = spivae("stop", run.id[:8], "--run-dir", tmp_path, "--wait", 0, "--json").json
    assert asked == {"id": run.id, "path": str(run.path), "state": "running"}
    assert run.stop_path.exists()


def test_a_training_that_has_ended_cannot_be_stopped(spivae, tiny_run: Path):
    failed = spivae("stop", tiny_run)
    assert failed.code == 2
    assert "has already ended (finished)" in failed.err
    assert not (tiny_run / "STOP").exists()


def test_a_second_interrupt_ends_a_training_that_cannot_stop(tmp_path: Path):
    # what should_stop is for cannot be reached: the work never asks
    program = (
        "import os, signal\n"
        "from spivae.cli.train import stopping_on_signals\n"
        "with stopping_on_signals() as asked:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    assert asked == [signal.SIGINT]\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert "KeyboardInterrupt" in done.stderr
    assert "Ctrl-C again ends at once" in done.stderr


def test_an_aborted_training_does_not_look_as_if_it_ran(
    spivae, tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def aborted(run: Run, *_: object, **__: object) -> None:
        run.claim(1, "cpu")
        raise KeyboardInterrupt

    monkeypatch.setattr("spivae.training.loop.train", aborted)
    ended = spivae("train", tiny_recipe, "--run-dir", tmp_path)
    assert ended.code == 130
    assert Run.open(tmp_path / ended.out.strip()).state() == "failed"


def test_a_detached_training_returns_at_once_and_goes_on_by_itself(tiny_recipe: Path, tmp_path: Path):
    begin = children_seconds()
    process = start(tiny_recipe, "--run-dir", tmp_path, "--detach", "--json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert children_seconds() - begin < 2 * 0.5
    answer = json.loads(out)
    assert set(answer) == {"id", "path"}
    run = Run.open(answer["path"])

    def ended() -> bool:
        run.refresh()
        return run.info.state not in ("queued", "running")

    wait_for(ended)
    assert run.info.state == "finished", run.log_path.read_text()
    assert run.info.pid != os.getpid()
    assert (run.checkpoint_folder / "final.safetensors").exists()
    assert "epoch 3/3" in run.log_path.read_text()


def test_a_run_that_has_ended_is_not_trained_again(spivae, tiny_run: Path):
    failed = spivae("train", "--run", tiny_run)
    assert failed.code == 2
    assert "is no new run (finished)" in failed.err


def test_a_queued_run_that_cannot_start_says_why(spivae, tiny_recipe: Path, tmp_path: Path):
    unknown = recipes.with_overrides(
        recipes.load(tiny_recipe), {"process.name": "nothing", "process.grid": "{}"}
    )
    run = Run.create(tmp_path, unknown)
    assert spivae("train", "--run", run.path).code == 2
    run.refresh()
    assert run.info.state == "failed"
    assert "unknown process 'nothing'" in str(run.info.error)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.phase.1.betta=1", "training.phase.1.betta: unknown key"),
        ("dataset.steps=8", "dataset.steps: 8 displacements must exceed the receptive field of 8"),
        ("training.phase.0.epochs=-1", "training.phase.0.epochs: needs at least 1, not -1"),
        ("process.name=nothing", "unknown process 'nothing'"),
        ("training.batch", "is not of the form name=value"),
    ],
)
def test_a_wrong_recipe_names_the_field_and_starts_nothing(
    spivae, tiny_recipe: Path, tmp_path: Path, override: str, message: str
):
    failed = spivae("train", tiny_recipe, "--run-dir", tmp_path / "runs", "--set", override)
    assert failed.code == 2
    assert message in failed.err
    assert not (tmp_path / "runs").exists()


def test_an_unknown_recipe_is_answered_with_those_that_are_shipped(spivae, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "another.toml").write_text("")
    failed = spivae("train", "xyz")
    assert failed.code == 2
    assert failed.err == "error: xyz: no such recipe; shipped are bm, fbm, sbm, sbm-seed, tiny\n"


def test_a_shipped_model_s_name_stands_for_its_recipe():
    from spivae.cli.train import find_recipe

    assert find_recipe("sbm").name == find_recipe("models/sbm.toml").name == "sbm.toml"


def test_runs_are_listed_with_how_far_they_are(spivae, tiny_run: Path):
    [run] = spivae("runs", "--run-dir", tiny_run.parent, "--json").json
    keys = {"id", "path", "state", "epoch", "epochs", "step", "metrics", "host", "pid", "launcher"}
    assert keys <= set(run)
    assert (run["id"], run["state"], run["epoch"], run["epochs"], run["step"]) == (
        tiny_run.name,
        "finished",
        3,
        3,
        9,
    )
    out = spivae("runs", "--run-dir", tiny_run.parent).out
    assert tiny_run.name in out
    assert "3/3" in out


def test_a_broken_run_is_listed_with_its_error(spivae, tmp_path: Path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "run.json").write_text("{")
    [run] = spivae("runs", "--run-dir", tmp_path, "--json").json
    assert run["state"] is None
    assert "run.json is broken" in run["error"]


def test_no_runs_is_no_error(spivae, tmp_path: Path):
    listed = spivae("runs", "--run-dir", tmp_path / "nothing")
    assert listed.code == 0
    assert listed.out.startswith("No runs in")


def test_a_training_survives_the_terminal_that_it_was_started_from(
    spivae, tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def gone(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("spivae.cli.training_progress.note", gone)
    assert spivae("train", tiny_recipe, "--run-dir", tmp_path).code == 0


@pytest.mark.parametrize(("handling", "heard"), [(signal.SIG_DFL, [signal.SIGHUP]), (signal.SIG_IGN, [])])
def test_a_hangup_stops_a_training_unless_it_is_ignored(handling: signal.Handlers, heard: list[int]):
    from spivae.cli.train import stopping_on_signals

    before = signal.signal(signal.SIGHUP, handling)
    try:
        with stopping_on_signals() as asked:
            os.kill(os.getpid(), signal.SIGHUP)
        assert asked == heard
        assert signal.getsignal(signal.SIGHUP) == handling
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(("aloud", "heard"), [(True, [signal.SIGUSR1]), (False, [])])
def test_the_warning_that_a_job_script_has_ignored_is_heeded_by_who_leads(aloud: bool, heard: list[int]):
    from spivae.cli.train import stopping_on_signals

    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        with stopping_on_signals(aloud=aloud) as asked:
            os.kill(os.getpid(), signal.SIGUSR1)
        assert asked == heard
        assert signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_training_that_has_no_state_to_go_on_from_says_that_it_begins_anew(
    tiny_run: Path, capsys: pytest.CaptureFixture[str]
):
    run = Run.open(tiny_run)
    for attempt, said in ((1, False), (2, True)):
        run.info.attempt, run.info.resumed_at = attempt, 0
        Lines(run).started(run)
        assert ("begins anew: no state was saved before\n" in capsys.readouterr().err) == said
