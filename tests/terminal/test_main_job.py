"""The main job, end to end in a real terminal: open, inspect, plot, train, watch, find the checkpoint."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tmux import Tmux

BRAILLE = re.compile("[\u2801-\u28ff]")


@pytest.fixture
def terminal(tmp_path: Path, tiny_recipe: Path, tiny_checkpoint: Path, reference: Path) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        assert "CI" not in os.environ, "CI must have tmux"
        pytest.skip("needs tmux")
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(reference / "original_sbm_trained.tar", models)
    shutil.copy(tiny_checkpoint, models / "tiny.safetensors")
    (models / "broken.tar").write_bytes(b"PK\x03\x04 no more")
    shutil.copy(tiny_recipe, tmp_path / "mine.toml")
    command = [sys.executable, "-m", "spivae"]
    session = Tmux(f"spivae-test-{os.getpid()}", command, tmp_path, 100, 30)
    yield session
    session.close()


def curves(screen: str) -> int:
    return len(BRAILLE.findall(screen))


def test_open_inspect_plot_train_watch_and_find_the_checkpoint(terminal: Tmux, tmp_path: Path) -> None:
    # browse: real checkpoints, and the broken one with its error
    screen = terminal.wait_for("original_sbm_trained")
    assert "broken" in terminal.wait_for("1 broken")
    terminal.press("/")
    terminal.press("tiny", "Enter")
    terminal.wait_for(lambda screen: "original_sbm_trained" not in screen and "tiny" in screen)

    # inspect
    terminal.press("Enter")
    screen = terminal.wait_for("Latents")
    assert "receptive field 8" in screen
    assert "alpha" in screen

    # plot, computed by the worker
    terminal.press("4")
    screen = terminal.wait_for(lambda screen: "NLL of each cell" in screen and curves(screen) > 20, 120)

    # another size: the same plot, drawn anew
    terminal.resize(80, 24)
    terminal.wait_for(lambda screen: "? Help" in screen and curves(screen) > 20)
    terminal.press("Escape")
    terminal.wait_for("esc Clear")
    terminal.press("Escape")
    terminal.wait_for("original_sbm_trained")

    # train: two short epochs of the recipe in this folder
    terminal.press("t")
    terminal.wait_for("a recipe to start from")
    terminal.press("Enter")
    terminal.wait_for("mine.toml")
    terminal.press(*["Down"] * 5, "Enter")  # after the five shipped ones
    terminal.wait_for(" 3 epochs = 9 steps")  # the form opens with 33
    terminal.press("F2")
    terminal.wait_for(lambda screen: "runs ›" in screen or "finished" in screen)
    terminal.wait_for(lambda screen: "finished" in screen and curves(screen) > 20, 120)

    # the checkpoint, from the run and from the list
    terminal.press("Enter")
    terminal.wait_for("final", 30)
    terminal.press("Escape")
    terminal.wait_for("opens final")  # two escapes at once would be something else
    terminal.press("Escape")
    terminal.wait_for(lambda screen: "/final" in screen and "/best" in screen, 30)
    final = list(tmp_path.glob("runs/*/checkpoints/final.safetensors"))
    assert len(final) == 1

    terminal.press("q")
    assert "exit status 0" in terminal.wait_for("exit status", 20)
