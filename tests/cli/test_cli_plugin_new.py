"""A new plugin's package works as it was written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spivae.plugins import load_plugins


@pytest.mark.parametrize("kind", ["process", "analysis"])
def test_the_tests_of_a_new_plugin_pass_as_generated(
    spivae: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found = spivae("plugin", "new", "my-walk", f"--{kind}", "--json").json
    assert (found["path"], found["kind"]) == ("spivae-my-walk", kind)
    assert {Path(file).name for file in found["files"]} == {
        "pyproject.toml",
        "README.md",
        "__init__.py",
        "test_spivae_my_walk.py",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command, cwd=tmp_path / "spivae-my-walk", env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_a_new_plugin_is_a_drop_in_file_too(spivae: Callable[..., Any], tmp_path: Path) -> None:
    assert spivae("plugin", "new", "walk", "--dir", tmp_path / "new").code == 0
    file = tmp_path / "walk.py"
    file.write_text((tmp_path / "new" / "spivae_walk" / "__init__.py").read_text())
    plugins = load_plugins([file])
    assert plugins.info("walk").status == "ok", plugins.info("walk")
    assert plugins.process("walk").title == "Walk"
    assert "spivae.api" in file.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("Walk",), "a plugin's name is small letters"),
        (("-",), "a plugin's name is small letters"),
        (("sbm",), "sbm: there is a plugin, or process, of this name"),
        (("loss", "--analysis"), "loss: there is a plugin, or analysis, of this name"),
        (("walk", "--dir", "."), "is there already; choose another --dir"),
        (("walk", "--dir", "file"), "is there already; choose another --dir"),
    ],
)
def test_a_name_or_folder_that_cannot_be_is_refused(
    spivae: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    outcome = spivae("plugin", "new", *arguments)
    assert outcome.code == 2
    assert said in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
