"""`spivae cache`, and `spivae analyze` of what was analyzed before."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from processes import children_seconds
from test_cli_speed import imported

CLOCK = Path(__file__).parent.parent / "worker" / "clock_plugin.py"

ANOTHER = """from spivae.api import hookimpl


@hookimpl
def training_started(run):
    pass
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of results, turned on for once."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SPIVAE_CACHE", str(folder))
    return folder


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A drop-in plugin whose answers bear the time."""
    monkeypatch.setenv("SPIVAE_PLUGINS", str(tmp_path / "plugins"))
    (tmp_path / "plugins").mkdir()
    return Path(shutil.copy(CLOCK, tmp_path / "plugins" / "clock.py"))


@pytest.fixture
def asked(spivae: Callable[..., Any], reference: Path) -> Callable[..., str]:
    """What the clock said, however the command came to know it."""
    arguments = ("analyze", reference / "original_init.tar", "clock")

    def ask(*more: object) -> str:
        answer = spivae(*arguments, *more, "--json")
        assert (answer.code, answer.err) == (0, "")
        return str(answer.json["analyses"][0]["arrays"]["now"])

    return ask


@pytest.fixture
def usual(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that went the usual way."""
    from spivae.cli import root

    taken: list[list[str]] = []
    call = root.call
    monkeypatch.setattr(root, "call", lambda arguments: taken.append(arguments) or call(arguments))
    return taken


def test_an_analysis_is_computed_once_and_fresh_computes_it_again(
    asked: Callable[..., str], cache: Path, clock: Path
) -> None:
    first = asked()
    assert asked() == first
    assert asked("--size", 3) != first
    again = asked("--fresh")
    assert again != first
    assert asked() == again


def test_turned_off_everything_is_computed(asked: Callable[..., str], clock: Path) -> None:
    assert asked() != asked()


def test_a_second_time_is_drawn_the_same_from_memory(
    spivae: Callable[..., Any], cache: Path, tiny_checkpoint: Path, usual: list[list[str]]
) -> None:
    arguments = ("analyze", tiny_checkpoint, "latents", "loss", "--per-cell", 2, "--width", 80)
    first, second = spivae(*arguments), spivae(*arguments)
    assert (second.code, second.out, second.err) == (0, first.out, "")
    assert len(usual) == 1


def test_a_second_time_imports_neither_torch_nor_click_nor_plugins(
    spivae: Callable[..., Any], cache: Path, tiny_checkpoint: Path
) -> None:
    arguments = ("analyze", tiny_checkpoint, "latents", "--per-cell", 2)
    assert spivae(*arguments).code == 0
    assert not imported(*arguments) & {"torch", "click", "pluggy", "spivae_plugins"}
    assert "torch" not in imported(*arguments, "--json")


def test_a_second_time_takes_a_moment(
    process: Callable[..., Any], cache: Path, tiny_checkpoint: Path
) -> None:
    """Processor time, because others may use the machine; twice of what it is at rest."""
    arguments = ("analyze", tiny_checkpoint, "latents", "--per-cell", 2)
    assert process(*arguments).code == 0
    taken = []
    for _ in range(3):
        begin = children_seconds()
        assert process(*arguments).code == 0
        taken.append(children_seconds() - begin)
    assert min(taken) < 2 * 0.3


def drawn(spivae: Callable[..., Any], *arguments: object) -> None:
    answer = spivae("analyze", *arguments, "clock")
    assert (answer.code, answer.out.splitlines()[0]) == (0, "clock")


def test_whatever_is_touched_leads_back_to_the_usual_way(
    spivae: Callable[..., Any],
    cache: Path,
    clock: Path,
    reference: Path,
    tmp_path: Path,
    usual: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(reference / "original_init.tar", "model.tar")
    (tmp_path / "elsewhere").mkdir()

    def shadow() -> None:
        shutil.copy(reference / "original_wavenet_only.tar", "model.safetensors")  # comes before model.tar

    for change in (
        lambda: None,
        lambda: os.utime("model.tar", (1, 1)),
        lambda: shutil.copy(reference / "original_mixture3.tar", "model.tar"),
        lambda: clock.write_text(clock.read_text() + "# changed\n"),
        lambda: (clock.parent / "another.py").write_text(ANOTHER),
        lambda: os.unlink(clock.parent / "another.py"),
        lambda: monkeypatch.setenv("PYTHONPATH", "nowhere"),
        shadow,
        lambda: [path.unlink() for path in cache.glob("*.answer")],
        lambda: [path.write_bytes(path.read_bytes()[:-1]) for path in cache.glob("*.command")],
    ):
        change()
        usual.clear()
        drawn(spivae, "model")
        assert len(usual) == 1, change
        drawn(spivae, "model")
        assert len(usual) == 1, change
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert spivae("analyze", "model", "clock").code == 2
    shutil.copy(reference / "original_init.tar", "model.tar")
    drawn(spivae, "model")
    usual.clear()
    drawn(spivae, "model")
    monkeypatch.chdir(tmp_path)
    drawn(spivae, "model")
    assert not usual  # each folder has its own


@pytest.mark.parametrize("more", ["--fresh", "--json"])
def test_some_commands_always_go_the_usual_way(
    spivae: Callable[..., Any], cache: Path, clock: Path, reference: Path, usual: list[list[str]], more: str
) -> None:
    for _ in range(2):
        assert spivae("analyze", reference / "original_init.tar", "clock", more).code == 0
    assert len(usual) == 2


def test_a_plugin_that_is_broken_is_told_of_every_time(
    spivae: Callable[..., Any], cache: Path, clock: Path, reference: Path
) -> None:
    (clock.parent / "broken.py").write_text("1 / 0")
    for _ in range(2):
        answer = spivae("analyze", reference / "original_init.tar", "clock")
        assert "warning: plugin broken: ZeroDivisionError" in answer.err


def test_a_folder_that_cannot_be_written_costs_one_warning_and_no_answer(
    spivae: Callable[..., Any], clock: Path, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPIVAE_CACHE", str(tmp_path / "file"))
    answer = spivae("analyze", reference / "original_init.tar", "clock", "forgetful")
    assert answer.code == 0
    [line] = answer.err.splitlines()
    assert line.startswith("warning: results cannot be kept in")


def test_the_cache_is_shown_and_cleared(
    spivae: Callable[..., Any], cache: Path, clock: Path, reference: Path
) -> None:
    assert spivae("cache", "--json").json == {
        "path": str(cache), "entries": 0, "size": 0, "limit": 256_000_000
    }  # fmt: skip
    drawn(spivae, reference / "original_init.tar")
    found = spivae("cache", "--json").json
    assert found["entries"] == 1
    assert found["size"] == sum(path.stat().st_size for path in cache.iterdir())
    assert spivae("cache").out.startswith(f"{cache}: 1 entry, ")
    assert spivae("cache").out.endswith(" of 256 MB\n")
    assert spivae("cache", "--clear").out.endswith(" removed\n")
    assert not list(cache.iterdir())
    assert spivae("cache", "--clear", "--json").json["entries"] == 0


def test_a_cache_that_is_turned_off_says_so(spivae: Callable[..., Any]) -> None:
    assert spivae("cache").out == "Results are not kept: they are turned off by the environment.\n"
    assert spivae("cache", "--json").json == {"path": None, "entries": 0, "size": 0, "limit": 0}


@pytest.mark.parametrize("command", [["cache"], ["analyze", "sbm", "latents"]])
def test_a_size_that_is_none_is_wrong_input(
    spivae: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("SPIVAE_CACHE_MB", "lots")
    failed = spivae(*command)
    assert failed.code == 2
    assert failed.err == "error: SPIVAE_CACHE_MB: 'lots' is no size; give megabytes, such as 256\n"


def test_a_reader_that_has_seen_enough_is_no_error(
    process: Callable[..., Any], cache: Path, clock: Path, reference: Path
) -> None:
    arguments = ["analyze", str(reference / "original_init.tar"), "clock"]
    assert process(*arguments).code == 0
    script = f"{sys.executable} -m spivae {' '.join(arguments)} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_cache_is_shown_without_numpy(cache: Path) -> None:
    assert not imported("cache") & {"torch", "numpy", "rich"}
