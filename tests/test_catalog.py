"""The catalog lists every checkpoint and run once, broken ones with their error, and quickly."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from spivae import catalog, metrics_tail
from spivae.catalog import default_folders, newest_first, scan, scan_runs
from spivae.checkpoint import Checkpoint, write
from spivae.cli.runs import documents
from spivae.liveness import this_host
from spivae.model.arguments import ModelArgs, expected_shapes

DATA = Path(__file__).parent / "data"
TRAINED = DATA / "original_sbm_trained.tar"
ARGS = {"o_dim": 20, "nf": [2], "encoder": [2], "decoder": [2], "avg_size": 1, "z_dim": 1, "layer_size": 2}
SIZE = sum(int(np.prod(shape)) for shape in expected_shapes(ModelArgs.from_mapping(ARGS)).values())


def native(path, **fields):
    shapes = expected_shapes(ModelArgs.from_mapping(ARGS))
    weights = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, Checkpoint(**{"process": "sbm", "model_args": ARGS, "weights": weights, **fields}))
    return path


def run(folder, *, lines=(), checkpoints=("best", "phase-1"), **fields):
    folder.mkdir(parents=True)
    about = {"id": folder.name, "process": "sbm", "state": "finished", "host": "h", "pid": 1, **fields}
    (folder / "run.json").write_text(json.dumps(about))
    if lines:
        (folder / "metrics.jsonl").write_text(
            "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        )
    for name in checkpoints:
        native(folder / "checkpoints" / f"{name}.safetensors")
    return folder


def by_name(*folders):
    entries = list(scan(folders))
    found = {entry.name: entry for entry in entries}
    assert len(found) == len(entries), [entry.name for entry in entries]
    return found


def test_both_formats_are_listed_with_what_their_headers_say():
    found = by_name(DATA)
    assert set(found) == {f"original_{name}" for name in ("init", "mixture3", "sbm_trained", "wavenet_only")}
    entry = found["original_sbm_trained"]
    assert (entry.kind, entry.format, entry.process, entry.state, entry.error) == (
        "checkpoint", "original", "sbm", "", None,
    )  # fmt: skip
    assert entry.parameters == 262_885
    assert entry.size == TRAINED.stat().st_size
    assert entry.modified == TRAINED.stat().st_mtime
    assert entry.metrics == {"beta": 0.005}
    assert entry.path == str(TRAINED)


def test_a_native_file_is_listed_with_its_metrics(tmp_path):
    metrics = {"nll": -2.3, "kl": 4.8, "neg_elbo": -2.29, "surviving": [0, 3], "beta": 1e-3}
    native(tmp_path / "sub" / "deeper" / "m.safetensors", metrics=metrics)
    entry = by_name(tmp_path)["sub/deeper/m"]
    assert (entry.format, entry.process, entry.parameters, entry.metrics) == ("spivae", "sbm", SIZE, metrics)


def test_a_run_is_one_entry_followed_by_its_checkpoints(tmp_path):
    lines = [
        {"kind": "step", "step": 1, "epoch": 0.5, "beta": 0.1},
        {
            "kind": "epoch",
            "epoch": 1,
            "step": 2,
            "nll": -1.0,
            "kl": [1.0, 2.0],
            "neg_elbo": -0.9,
            "surviving": [0],
        },
        {
            "kind": "epoch",
            "epoch": 2,
            "step": 4,
            "nll": -2.0,
            "kl": [3.0, 0.5],
            "neg_elbo": -1.9,
            "surviving": [1],
        },
        {"kind": "step", "step": 5, "epoch": 2.5, "beta": 0.2},
    ]
    folder = run(tmp_path / "sbm-7", lines=lines)
    (folder / "state").mkdir()
    shutil.copy(TRAINED, folder / "state" / "resume.tar")
    shutil.copy(TRAINED, folder / "stray.tar")
    native(folder / "checkpoints" / ".hidden.safetensors")
    entries = list(scan([tmp_path]))
    assert [entry.name for entry in entries] == ["sbm-7", "sbm-7/best", "sbm-7/phase-1"]
    first = entries[0]
    assert (first.kind, first.process, first.state, first.error) == ("run", "sbm", "finished", None)
    assert first.path == str(folder)
    assert first.size == sum(entry.size for entry in entries[1:])
    assert first.metrics == {
        "nll": -2.0, "neg_elbo": -1.9, "surviving": [1], "kl": 3.5, "kl_latents": [3.0, 0.5],
        "epoch": 2.5, "step": 5, "beta": 0.2,
    }  # fmt: skip
    assert [entry.name for entry in scan([folder])] == [entry.name for entry in entries]


def test_runs_are_listed_as_always_without_opening_a_single_checkpoint(tmp_path, monkeypatch):
    run(tmp_path / "a", lines=[{"kind": "epoch", "epoch": 1, "nll": -1.0}])
    run(tmp_path / "sweep" / "b")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    native(tmp_path / "alone.safetensors")
    expected = [entry for entry in scan([tmp_path]) if entry.kind == "run"]
    assert len(expected) == 3
    opened = []
    monkeypatch.setattr(catalog, "read_header", lambda path, foreign: opened.append(path))
    assert list(scan_runs([tmp_path])) == expected
    assert {document["path"] for document in documents(tmp_path)} == {entry.path for entry in expected}
    assert not opened


def test_torn_and_diverged_metrics_are_read_as_far_as_they_go(tmp_path):
    folder = run(tmp_path / "a", checkpoints=())
    whole = b'{"kind":"epoch","epoch":1,"nll":-1.0,"kl":[1.0,null]}\n'
    (folder / "metrics.jsonl").write_bytes(whole + b'{"kind":"epoch",\n' + b'{"kind":"epoch","epoch":2,"nl')
    assert by_name(tmp_path)["a"].metrics == {"epoch": 1, "nll": -1.0, "kl": None, "kl_latents": [1.0, None]}


def test_the_last_validation_is_found_however_long_ago_it_was(tmp_path):
    kl = [1.0 + 1e-15] * 20
    lines = [{"kind": "step", "step": step, "epoch": 0.5, "kl": kl, "beta": 0.5} for step in range(600)]
    start = {"kind": "epoch", "epoch": 0, "nll": 9.0, "kl": kl, "nll_cells": kl * 1000}
    folder = run(tmp_path / "a", lines=[start, *lines], checkpoints=())
    assert (folder / "metrics.jsonl").stat().st_size > 4 * metrics_tail.BLOCK
    metrics = by_name(tmp_path)["a"].metrics
    assert (metrics["nll"], metrics["step"], metrics["beta"]) == (9.0, 599, 0.5)


def test_only_the_end_of_very_long_metrics_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(metrics_tail, "MOST", 2**18)
    lines = [{"kind": "step", "step": step, "epoch": 0.0, "beta": 0.5} for step in range(20_000)]
    start = {"kind": "epoch", "epoch": 0, "nll": 9.0}
    run(tmp_path / "a", lines=[start, *lines], checkpoints=())
    assert by_name(tmp_path)["a"].metrics == {"step": 19_999, "epoch": 0.0, "beta": 0.5}


def test_runs_that_die_without_a_word_have_moved_on_and_the_others_have_not(tmp_path):
    trainer = subprocess.Popen(["sleep", "60"])
    about = {"state": "running", "host": this_host()}
    run(tmp_path / "dies", pid=trainer.pid, checkpoints=("best",), **about)
    run(tmp_path / "lives", pid=os.getpid(), **about)
    run(tmp_path / "over", state="finished")
    run(tmp_path / "elsewhere", state="running", host="node7", pid=1, checkpoints=())
    listed = list(scan([tmp_path]))
    assert catalog.moved_on(listed) == []
    trainer.kill()
    trainer.wait()
    [now] = catalog.moved_on(listed)
    [before] = [entry for entry in listed if entry.name == "dies"]
    assert (before.state, now.state) == ("running", "lost")
    assert (now.path, now.name, now.size, now.left) == (before.path, before.name, before.size, None)
    shutil.rmtree(tmp_path / "lives")
    assert {entry.name for entry in catalog.moved_on(listed)} == {"dies", str(tmp_path / "lives")}


def test_a_run_tells_who_trains_it(tmp_path):
    job = {"id": "12_3", "uid": 2**31, "submitted": 1.0}
    run(tmp_path / "here", pid=4242, host="node7")
    run(tmp_path / "job", pid=4242, host="node7", job=job, nproc=2, nnodes=3)
    run(tmp_path / "waits", pid=0, host="", job=job, state="queued")
    run(tmp_path / "new", pid=0, host="", state="queued")
    found = by_name(tmp_path)
    assert {name: found[name].where for name in ("here", "job", "waits", "new")} == {
        "here": "pid 4242 on node7",
        "job": "Slurm job 12_3 on node7, 2 processes on each of 3 machines",
        "waits": "Slurm job 12_3",
        "new": "",
    }


def test_a_run_whose_trainer_is_gone_is_lost(tmp_path):
    here = this_host()
    run(tmp_path / "alive", state="running", host=here, pid=os.getpid(), checkpoints=())
    run(tmp_path / "gone", state="running", host=here, pid=2**22 + 1, checkpoints=())
    run(tmp_path / "elsewhere", state="running", host="far", pid=2**22 + 1, checkpoints=())
    run(tmp_path / "reused", state="running", host=here, pid=os.getpid(), pid_started=1, checkpoints=())
    states = {name: entry.state for name, entry in by_name(tmp_path).items()}
    reused = "lost" if Path("/proc/self/stat").exists() else "running"
    assert states == {"alive": "running", "gone": "lost", "elsewhere": "running", "reused": reused}


def test_broken_files_are_listed_with_their_error_and_not_hidden(tmp_path):
    (tmp_path / "empty.safetensors").touch()
    (tmp_path / "cut.tar").write_bytes(TRAINED.read_bytes()[:5000])
    (tmp_path / "text.tar").write_text("hello")
    (tmp_path / "link.tar").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.tar")
    run(tmp_path / "bad-run", checkpoints=("best",))
    (tmp_path / "bad-run" / "run.json").write_text('{"id": 3}')
    native(tmp_path / "fine.safetensors")
    errors = {name: entry.error for name, entry in by_name(tmp_path).items()}
    assert errors.pop("fine") is None
    assert errors.pop("bad-run/best") is None
    for name, reason in {
        "empty": "is empty",
        "cut": "cut short",
        "text": "neither",
        "link": "no such file",
        "pipe": "no regular file",
        "bad-run": "run.json: damaged",
    }.items():
        assert reason in errors.pop(name)
    assert not errors


def test_names_that_a_terminal_cannot_show_are_listed_and_can_be_opened(tmp_path):
    for name in (b"\x1b[31mred.tar", b"caf\xe9.tar"):
        shutil.copy(DATA / "original_wavenet_only.tar", os.fsencode(tmp_path) + b"/" + name)
    (tmp_path / "bad\x07.tar").write_text("hello")
    entries = list(scan([tmp_path]))
    assert sorted(entry.name for entry in entries) == ["?[31mred", "bad?", "caf?"]
    for entry in entries:
        assert os.path.exists(entry.path)
        assert (entry.error or "").isprintable()


def test_a_failed_run_shows_why_it_failed(tmp_path):
    run(tmp_path / "a", state="failed", error="diverged at step 7", checkpoints=())
    assert by_name(tmp_path)["a"].error == "diverged at step 7"


def test_an_unreadable_folder_is_an_entry_and_the_rest_is_listed(tmp_path, monkeypatch):
    native(tmp_path / "fine.safetensors")
    (tmp_path / "secret").mkdir()
    listed = os.scandir

    def scandir(path):
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = by_name(tmp_path)
    assert set(found) == {"fine", "secret"}
    assert found["secret"].error == f"{tmp_path / 'secret'}: permission denied"


def test_a_missing_folder_is_an_entry_unless_it_is_a_default_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert [entry.error for entry in scan(["nowhere"])] == ["nowhere: no such folder"]
    assert list(scan([Path("runs"), "./models"])) == []
    run(tmp_path / "runs" / "r", checkpoints=())
    native(tmp_path / "data" / "spivae" / "mine.safetensors")
    assert {"r", "mine"} <= set(by_name(*default_folders()))


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    native(tmp_path / ".m.safetensors")
    native(tmp_path / ".git" / "m.safetensors")
    (tmp_path / "notes.txt").touch()
    assert list(scan([tmp_path])) == []


def test_links_and_repeated_folders_lead_to_each_file_once(tmp_path):
    native(tmp_path / "real" / "m.safetensors")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "real")
    (tmp_path / "m.safetensors").symlink_to(tmp_path / "real" / "m.safetensors")
    entries = list(scan([tmp_path, tmp_path / "real", tmp_path / "real" / "m.safetensors", str(tmp_path)]))
    assert len(entries) == 1


def test_a_single_file_may_be_listed(tmp_path):
    assert [entry.name for entry in scan([TRAINED])] == ["original_sbm_trained"]


def test_names_keep_their_dots_and_suffixes_of_another_kind(tmp_path):
    native(tmp_path / "v1.2.safetensors")
    native(tmp_path / "a.tar.safetensors")
    assert set(by_name(tmp_path)) == {"v1.2", "a.tar"}


def test_newest_comes_first(tmp_path):
    for age, name in enumerate("bac"):
        os.utime(native(tmp_path / f"{name}.safetensors"), (1000 - age, 1000 - age))
    assert [entry.name for entry in newest_first(scan([tmp_path]))] == ["b", "a", "c"]


def test_entries_come_as_they_are_found(tmp_path, monkeypatch):
    for name in "abc":
        native(tmp_path / f"{name}.safetensors")
    reads = []
    header = catalog.read_header
    monkeypatch.setattr(
        catalog, "read_header", lambda path, foreign: reads.append(path) or header(path, foreign)
    )
    next(scan([tmp_path]))
    assert len(reads) == 1


def test_who_scans_again_opens_only_what_is_new_or_another_file(tmp_path, monkeypatch):
    files = [native(tmp_path / f"{name}.safetensors") for name in "abc"]
    (tmp_path / "broken.tar").write_text("broken")
    reads = []
    header = catalog.read_header
    monkeypatch.setattr(
        catalog, "read_header", lambda path, foreign: reads.append(path) or header(path, foreign)
    )
    remembered: catalog.Remembered = {}
    first = list(scan([tmp_path], remembered=remembered))
    assert len(reads) == 4
    status = files[1].stat()
    native(files[1], process="fbm")
    os.utime(files[1], ns=(status.st_atime_ns, status.st_mtime_ns))
    reads.clear()
    again = list(scan([tmp_path], remembered=remembered))
    assert [os.path.basename(path) for path in reads] == ["b.safetensors", "broken.tar"]
    assert [entry.process for entry in again] == ["sbm", "fbm", "", "sbm"]
    assert again[0] == first[0]
    assert again == list(scan([tmp_path]))
    assert [entry.name for entry in scan([files[0]], remembered=remembered)] == ["a"]


def test_a_format_that_a_plugin_knows_is_listed(tmp_path):
    (tmp_path / "a.tar").write_text("mine")
    entry = next(
        scan([tmp_path], foreign=lambda path: Checkpoint(format="mine", architecture="x", process="bm"))
    )
    assert (entry.format, entry.process, entry.error) == ("mine", "bm", None)


def test_what_a_plugin_has_read_is_read_again(tmp_path):
    (tmp_path / "a.tar").write_text("mine")
    answers = iter([Checkpoint(format="mine", architecture="x", process=name) for name in ("bm", "fbm")])
    remembered: catalog.Remembered = {}
    for process in ("bm", "fbm"):
        assert next(scan([tmp_path], lambda path: next(answers), remembered)).process == process


@pytest.mark.parametrize("kind", ["native", "original"])
def test_three_hundred_unseen_checkpoints_are_listed_in_a_moment(tmp_path, kind):
    if kind == "native":
        files = [native(tmp_path / f"{i}.safetensors", process=f"p{i}") for i in range(300)]
    else:
        files = [shutil.copy(DATA / "original_wavenet_only.tar", tmp_path / f"{i}.tar") for i in range(300)]
    start = time.process_time()
    entries = list(scan([tmp_path]))
    seconds = time.process_time() - start
    assert len(entries) == len(files)
    assert not any(entry.error for entry in entries)
    assert seconds < 1.5  # some 0.1 s on an idle machine


def steps(first, last, attempt=1, seconds=0.5):
    for number in range(first, last + 1):
        yield {"kind": "step", "step": number, "epoch": number / 10, "beta": 0.1,
               "seconds": number * seconds, "attempt": attempt}  # fmt: skip


def test_a_run_tells_how_far_it_is_how_long_it_takes_and_its_tags(tmp_path):
    folder = run(tmp_path / "a", lines=steps(1, 40), state="running", steps=100, checkpoints=())
    (folder / "tags.txt").write_text("good\npaper\n")
    entry = by_name(tmp_path)["a"]
    assert (entry.progress, entry.left, entry.tags) == (0.4, 30.0, ["good", "paper"])
    (folder / "run.json").write_text((folder / "run.json").read_text().replace("running", "stopped"))
    assert (by_name(tmp_path)["a"].progress, by_name(tmp_path)["a"].left) == (0.4, None)


def test_the_pace_is_that_of_the_newest_attempt(tmp_path):
    lines = [*steps(1, 40, 1, seconds=9.0), *steps(31, 50, 2, seconds=0.5)]
    run(tmp_path / "a", lines=lines, state="running", steps=100, checkpoints=())
    assert by_name(tmp_path)["a"].left == 25.0


@pytest.mark.parametrize("seconds", [[100.0, 5.0], [5.0, 5.0], [None, 3.0], ["x", 3.0]])
def test_times_that_make_no_sense_give_no_time_left(seconds, tmp_path):
    lines = [line | {"seconds": at} for line, at in zip(steps(1, 2), seconds, strict=True)]
    run(tmp_path / "a", lines=lines, state="running", steps=1, checkpoints=())
    entry = by_name(tmp_path)["a"]
    assert (entry.progress, entry.left, entry.error) == (1.0, None, None)


def test_a_run_is_as_new_as_the_newest_of_its_checkpoints(tmp_path):
    folder = run(tmp_path / "a", lines=steps(1, 2))
    for name, at in (("best", 2_000_000_000), ("phase-1", 1_000_000_000)):
        os.utime(folder / "checkpoints" / f"{name}.safetensors", (at, at))
    entry, best, _ = newest_first(scan([tmp_path]))
    assert (entry.name, best.name, entry.modified) == ("a", "a/best", 2_000_000_000)
