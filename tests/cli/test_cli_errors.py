"""Bad input and bad luck: one line on stderr, and an exit code."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from spivae.cli.errors import describe
from spivae.errors import SpivaeError, WorkFailed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspct"], "no such command or folder 'inspct'; did you mean `spivae inspect`?"),
        (["zzz"], "no such command or folder 'zzz'; `spivae --help` lists the commands"),
        (["inspect"], "Missing argument 'CKPT'; try `spivae inspect --help`"),
        (["ls", "--frobnicate"], "No such option '--frobnicate'; try `spivae ls --help`"),
        (["data", "sbmm", "--out", "x.npz"], "unknown process 'sbmm'; did you mean 'sbm'?"),
        (["data", "sbm", "--out", "/no/where/x.npz"], "/no/where/x.npz: there is no folder /no/where"),
        (["data", "sbm", "--out", "x.npz", "--set", "alpha"], "--set: 'alpha' is not of the form name=value"),
        (["data", "sbm", "--out", "x.npz", "--set", "beta=1"], "beta: process sbm has no such parameter"),
        (["data", "sbm", "--out", "x.npz", "--set", "alpha=nan"], "--set alpha: 'nan' is no number"),
        (
            ["data", "sbm", "--out", "x.npz", "--set", "alpha=-1"],
            "its displacements are not finite at alpha = -1",
        ),
        (["data", "sbm", "--out", "x.npz", "--grid", "alpha=1:2"], "is not of the form LOW:HIGH:N"),
        (["data", "sbm", "--out", "x.npz", "--steps", "0"], "0 is not in the range x>=1"),
        (["train", "nothing.toml"], "nothing.toml: no such recipe"),
        (["stop", "nothing"], "no run 'nothing' in runs"),
        (["convert", "sbm.tar", "new.safetensors"], "sbm.tar: no such checkpoint"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    spivae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
):
    monkeypatch.chdir(tmp_path)
    failed = spivae(*arguments)
    assert failed.code == 2
    assert failed.out == ""
    assert failed.err.startswith("error: ")
    assert message in failed.err
    assert failed.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_an_output_that_cannot_be_written_is_work_that_failed(
    spivae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("spivae.files.os.fsync", full)
    failed = spivae("data", "sbm", "--out", tmp_path / "d.npz", "--per-cell", 1)
    assert failed.code == 1
    assert failed.err == f"error: {tmp_path}/d.npz: cannot be written (No space left on device)\n"


def test_debug_shows_the_traceback_before_the_error(spivae):
    failed = spivae("inspect", "nothing", "--debug")
    assert failed.code == 2
    assert failed.err.startswith("Traceback")
    assert failed.err.splitlines()[-1].startswith("error: nothing: no such checkpoint")


@pytest.mark.parametrize(
    ("error", "told", "code"),
    [
        (SpivaeError("x: is wrong"), "x: is wrong", 2),
        (WorkFailed("x: is full"), "x: is full", 1),
        (PermissionError(13, "Permission denied", "a.npz"), "a.npz: Permission denied", 1),
        (KeyError("k"), "KeyError: 'k'; this is a bug: --debug shows where", 1),
    ],
)
def test_every_error_has_words_and_an_exit_code(error: BaseException, told: str, code: int):
    assert describe(error) == (told, code)


def wrapped(error: BaseException) -> BaseException:
    try:
        raise WorkFailed("analysis x: broke") from error
    except WorkFailed as outer:
        return outer


OF_TORCH = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000000000 bytes. Error code 12"


@pytest.mark.parametrize("seen", [lambda error: error, wrapped], ids=["itself", "behind another"])
@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (MemoryError(), ""),
        (
            MemoryError("Unable to allocate 7.45 GiB for an array with shape (7,)"),
            " (7.45 GiB more were wanted)",
        ),
        (RuntimeError(OF_TORCH), " (3.73 GiB more were wanted)"),
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB."), " (20.00 MiB more were wanted)"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), ""),
    ],
)
def test_a_want_of_memory_reads_the_same_whoever_meets_it(
    seen: Callable[[BaseException], BaseException], error: BaseException, wanted: str
):
    words = f"not enough memory{wanted}; ask for fewer or shorter trajectories, or a smaller batch"
    assert describe(seen(error)) == (words, 1)


def test_torch_still_says_so_in_the_words_that_are_looked_for():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**14)
    assert describe(caught.value)[0].startswith("not enough memory (372529.03 GiB more were wanted)")


def test_a_message_of_many_lines_or_with_escape_codes_becomes_one_plain_line(
    spivae, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: object) -> None:
        raise SpivaeError("one\ntwo \x1b[31mred")

    monkeypatch.setattr("spivae.cli.listing.entries", broken)
    assert spivae("ls").err == "error: one two ?[31mred\n"


def test_an_interrupt_is_quiet(spivae, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("spivae.cli.listing.entries", interrupted)
    assert spivae("ls") == (130, "", "")


def test_a_reader_that_has_seen_enough_makes_no_noise(reference: Path):
    command = f"{sys.executable} -m spivae inspect {reference}/original_init.tar | head -1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{reference}/original_init.tar\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_answer_that_cannot_be_written_is_an_error(reference: Path):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "spivae", "ls", str(reference)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "error: the answer cannot be written: No space left on device\n"


def test_a_terminal_without_unicode_gets_plain_letters(reference: Path):
    command = [sys.executable, "-m", "spivae", "inspect", str(reference / "original_init.tar")]
    done = subprocess.run(
        command, capture_output=True, env={"PYTHONIOENCODING": "ascii", "PATH": ""}, timeout=60
    )
    assert done.returncode == 0
    assert b"4 x 16" in done.stdout
