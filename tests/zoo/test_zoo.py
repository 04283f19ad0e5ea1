"""A zoo of bad plugins, one fault each, in the real command line and the real app: nothing else suffers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ANIMALS = Path(__file__).parent / "animals"
PATIENCE = 3  # seconds, for ten; what is good must be loaded by then on a busy machine, too
pytestmark = pytest.mark.xdist_group("zoo")
CONFIG = '[plugins.takes_no_settings]\ncolour = "red"\n[plugins.refuses_settings]\ncolour = "loud"\n'
SYNTAX = "syntax_error"  # written by the test: tools that read Python would stumble over it here

# what `spivae plugins` says of each; None where there is nothing to say
SAID: dict[str, str | None] = {
    "missing_import": "ModuleNotFoundError: No module named 'a_module_that_is_not_there'",
    SYNTAX: "SyntaxError",
    "exits": "SystemExit: 3",
    "raises_its_own": "Disaster: all is lost",
    "recurses": "RecursionError",
    "raises_in_hook": "ZeroDivisionError: in the middle",
    "wrong_object": "register() takes an instance of Process",
    "wrong_parameters": "parameters are instances of Parameter, not 1.0",
    "taken_process": "the process 'sbm' is already registered",
    "bm": "the name 'bm' is taken by another plugin",
    "misspelt_hook": "unknown hook 'register_proceses'; did you mean 'register_processes'?",
    "wrong_arguments": "epoch_finished: no argument 'loss'; it has run, metrics",
    "blocks_on_import": f"did not come back within {PATIENCE} s",
    "spins_on_import": f"did not come back within {PATIENCE} s",
    "blocks_in_hook": f"did not come back within {PATIENCE} s",
    "takes_no_settings": "config.toml has [plugins.takes_no_settings], but this plugin takes no settings",
    "refuses_settings": "colour: 'loud' is no colour",
    "prints": None,
    "breaks_later": None,
    "breaks_trainings": None,
}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all of them."""
    folder = tmp_path_factory.mktemp("zoo")
    for animal in ANIMALS.glob("*.py"):
        (folder / animal.name).write_text(animal.read_text())
    (folder / f"{SYNTAX}.py").write_text("def broken(:")
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    config = tmp_path_factory.mktemp("config")
    (config / "spivae").mkdir()
    (config / "spivae" / "config.toml").write_text(CONFIG)
    return {
        **os.environ,
        "XDG_CONFIG_HOME": str(config),
        "SPIVAE_CACHE": "off",
    }


@pytest.fixture(scope="module")
def impatient(environment: dict[str, str]) -> dict[str, str]:
    """Where some do not come back."""
    return {**environment, "SPIVAE_PLUGIN_SECONDS": str(PATIENCE)}


def run(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "spivae", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100, check=False)


@pytest.fixture(scope="module")
def listed(zoo: Path, impatient: dict[str, str]) -> dict[str, dict[str, Any]]:
    done = run(impatient, "--plugins-dir", zoo, "plugins", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = {}
    for info in json.loads(done.stdout):
        found["bundled bm" if info["name"] == "bm" and info["source"] == "bundled" else info["name"]] = info
    return found


@pytest.mark.parametrize("name", sorted(SAID))
def test_each_is_told_of_by_its_name(listed: dict[str, dict[str, Any]], name: str) -> None:
    info, said = listed[name], SAID[name]
    assert info["status"] == ("ok" if said is None else "error"), info
    assert (said or "") in (info["error"] or "")
    if said is not None:
        assert info["provides"] == []
    if said is not None and name != "bm":
        assert said in info["traceback"]


def test_every_animal_is_in_the_zoo() -> None:
    assert {path.stem for path in ANIMALS.glob("*.py")} == set(SAID) - {SYNTAX}


def test_the_bundled_plugins_do_not_notice(listed: dict[str, dict[str, Any]]) -> None:
    bundled = [info for info in listed.values() if info["source"] == "bundled"]
    assert len(bundled) > 10
    assert {info["status"] for info in bundled} == {"ok"}
    assert listed["bundled bm"]["provides"] == ["process bm"]


def test_what_a_plugin_prints_is_no_part_of_an_answer(
    zoo: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "chatty.npz"
    arguments = ("data", "chatty", "--out", out, "--steps", 20, "--per-cell", 2, "--json")
    done = run(environment, "--plugins-dir", zoo / "prints.py", *arguments)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    for said in ("on import", "by a hook", "by a process"):
        assert f"printed {said}" in done.stderr


def test_an_analysis_that_prints_leaves_the_document_alone(
    zoo: Path, environment: dict[str, str], tiny_checkpoint: Path
) -> None:
    done = run(environment, "--plugins-dir", zoo / "prints.py", "analyze", tiny_checkpoint, "talk", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["analyses"][0]["scalars"]["n"] > 0
    assert "printed by an analysis" in done.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raises", "error: process raises: ZeroDivisionError: when it draws"),
        ("wrong-shape", "error: process wrong-shape: made displacements (20,), not (4, 20)"),
    ],
)
def test_a_process_that_breaks_is_named(
    zoo: Path, environment: dict[str, str], tmp_path: Path, name: str, said: str
) -> None:
    arguments = ("data", name, "--out", tmp_path / "x.npz", "--steps", 20, "--per-cell", 2)
    done = run(environment, "--plugins-dir", zoo / "breaks_later.py", *arguments)
    assert done.returncode in (1, 2)
    assert done.stderr.strip() == said


def test_an_analysis_that_breaks_is_named(
    zoo: Path, environment: dict[str, str], tiny_checkpoint: Path
) -> None:
    done = run(environment, "--plugins-dir", zoo / "breaks_later.py", "analyze", tiny_checkpoint, "broken")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("error: analysis broken: ZeroDivisionError: when it computes")


def test_a_reader_that_breaks_costs_one_line_of_the_list(
    zoo: Path, environment: dict[str, str], tmp_path: Path, reference: Path
) -> None:
    (tmp_path / "strange.safetensors").write_bytes(b"of no known format")
    (tmp_path / "known.tar").write_bytes((reference / "original_init.tar").read_bytes())
    done = run(environment, "--plugins-dir", zoo / "breaks_later.py", "ls", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    errors = {Path(entry["path"]).name: entry["error"] for entry in json.loads(done.stdout)}
    assert errors["known.tar"] is None
    assert "plugin breaks_later: ZeroDivisionError: when it reads" in errors["strange.safetensors"]


def test_a_training_goes_on(zoo: Path, impatient: dict[str, str], tiny_recipe: Path, tmp_path: Path) -> None:
    done = run(
        impatient, "--plugins-dir", zoo / "breaks_trainings.py", "train", tiny_recipe, "--run-dir", tmp_path
    )
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("*/run.json")
    assert json.loads(path.read_text())["state"] == "finished"
    assert (path.parent / "checkpoints" / "final.safetensors").is_file()
    for said in (
        "plugin breaks_trainings: training_started: ZeroDivisionError: at the start",
        f"plugin breaks_trainings: step_finished: did not come back within {PATIENCE} s",
        "plugin breaks_trainings: epoch_finished: SystemExit: 7",
        "plugin breaks_trainings: training_finished: ValueError: finished",
    ):
        assert said in done.stderr
    assert done.stderr.count("step_finished") == 1  # it was not called again


def test_the_app_opens_beside_all_of_them(zoo: Path, impatient: dict[str, str], reference: Path) -> None:
    """It shows its list, opens a checkpoint with all good analyses, and leaves."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tui"))
    from terminal import Terminal

    names = ("XDG_CONFIG_HOME", "SPIVAE_PLUGIN_SECONDS")
    terminal = Terminal(
        str(reference),
        columns=120,
        lines=40,
        SPIVAE_PLUGINS=str(zoo),
        **{name: impatient[name] for name in names},
    )
    terminal.read_until(b"sbm_trained")
    os.write(terminal.descriptor, b"\r")
    terminal.read_until(b"Loss map")
    os.write(terminal.descriptor, b"\x11")  # ctrl+q
    assert terminal.wait() == 0


def test_strict_plugins_make_a_broken_one_an_error(zoo: Path, environment: dict[str, str]) -> None:
    arguments = ("--plugins-dir", zoo / "exits.py", "--strict-plugins")
    for command in (("plugins",), ("data", "sbm", "--out", "/dev/null/x.npz")):
        done = run(environment, *arguments, *command)
        assert done.returncode == 1, done.stdout
        assert "plugin exits: SystemExit: 3" in done.stderr.splitlines()[-1]
    assert run(environment, "plugins", "--strict-plugins").returncode == 0
