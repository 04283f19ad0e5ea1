"""`spivae`, `ls`, `inspect` and `plugins`: what there is."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from spivae import __version__


@pytest.fixture
def folder(tmp_path: Path, reference: Path, tiny_run: Path) -> Path:
    """An original checkpoint, a run and a broken file, from old to new."""
    shutil.copy(reference / "original_init.tar", tmp_path / "old.tar")
    shutil.copytree(tiny_run, tmp_path / tiny_run.name)
    (tmp_path / "broken.safetensors").write_bytes(b"not a checkpoint at all")
    os.utime(tmp_path / "old.tar", (1e9, 1e9))
    return tmp_path


def test_ls_shows_checkpoints_and_runs_newest_first(spivae, folder: Path, tiny_run: Path):
    listed = spivae("ls", folder)
    assert listed.code == 0
    names = [line.split()[0] for line in listed.out.splitlines()[1:] if line]
    assert f"{tiny_run.name}/final" in names
    assert names.index(tiny_run.name) < names.index("old")


def test_ls_in_a_pipe_has_whole_paths_and_no_escape_codes(spivae, folder: Path):
    out = spivae("ls", folder).out
    assert str(folder / "old.tar") in out
    assert "\x1b" not in out
    assert "…" not in out


def test_ls_tells_what_is_wrong_with_a_broken_file_and_goes_on(spivae, folder: Path):
    listed = spivae("ls", folder)
    assert listed.code == 0
    assert f"error: {folder / 'broken.safetensors'}: neither a spivae checkpoint" in listed.out


def test_ls_json_has_the_documented_keys(spivae, folder: Path):
    found = {Path(item["path"]).name: item for item in spivae("ls", "--json", folder).json}
    keys = {"path", "kind", "format", "process", "parameters", "modified", "metrics", "error"}
    assert all(keys <= set(item) for item in found.values())
    assert found["old.tar"]["parameters"] == 262885
    assert found["old.tar"]["error"] is None
    assert found["broken.safetensors"]["error"]
    assert found["final.safetensors"]["metrics"]["surviving"] in ([], [0], [1], [0, 1])


def test_json_may_stand_before_the_command(spivae, reference: Path):
    assert len(spivae("--json", "ls", reference).json) == 4


def test_a_folder_without_checkpoints_is_said_to_have_none(spivae, tmp_path: Path):
    listed = spivae("ls", tmp_path)
    assert listed.code == 0
    assert "No checkpoints or runs in" in listed.out
    assert spivae("ls", "--json", tmp_path).json == []


def test_a_missing_folder_is_an_error_that_names_a_near_one(spivae, reference: Path):
    listed = spivae("ls", reference.parent / "dta")
    assert listed.code == 2
    assert listed.err == f"error: {reference.parent}/dta: no such folder; did you mean {reference}?\n"


def test_without_a_terminal_spivae_prints_the_list_and_the_newest_checkpoint(spivae, folder: Path):
    shown = spivae(folder)
    assert shown.code == 0
    assert "old.tar" in shown.out
    assert "receptive field  8 displacements" in shown.out


def test_without_checkpoints_spivae_says_so_and_is_content(spivae, tmp_path: Path):
    shown = spivae(tmp_path)
    assert shown.code == 0
    assert shown.out.startswith("No checkpoints or runs in")


def test_the_overview_as_json_holds_the_list_and_the_report(spivae, folder: Path):
    answer = spivae("--json", folder).json
    assert len(answer["entries"]) == len(spivae("ls", "--json", folder).json)
    assert answer["newest"]["receptive_field"] == 8


def test_options_of_the_app_may_stand_before_or_after_the_folder(spivae, tmp_path: Path):
    assert spivae("--no-mouse", tmp_path, "--glyphs", "ascii").code == 0


def test_the_app_gets_the_folders_and_options(spivae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import spivae_tui.main

    calls = []
    monkeypatch.setattr(
        spivae_tui.main, "run", lambda folders, **options: calls.append((folders, options)) or 3
    )
    monkeypatch.setattr("spivae.cli.home.has_terminal", lambda: True)
    opened = spivae("--theme", "ansi-dark", tmp_path, "--no-mouse", "--glyphs", "ascii")
    assert opened.code == 3
    [(folders, options)] = calls
    assert folders == [str(tmp_path)]
    assert (options["mouse"], options["theme"], options["look"].glyphs) == (False, "ansi-dark", "ascii")


def test_the_themes_offered_are_those_of_the_app():
    from spivae.cli.common import THEMES
    from spivae_tui import themes

    assert set(THEMES) == set(themes.THEMES)


def test_inspect_reports_arguments_tensors_and_metrics(spivae, tiny_checkpoint: Path):
    out = spivae("inspect", tiny_checkpoint).out
    assert "1,273 weights" in out
    assert "= 0.055 / 55" in out
    assert "vae.encoder.0.weight" in out
    assert "3 epochs, 9 steps" in out


def test_inspect_json_has_the_documented_keys(spivae, reference: Path):
    answer = spivae("inspect", reference / "original_sbm_trained", "--json").json
    keys = {
        "path",
        "format",
        "process",
        "model_args",
        "ds_args",
        "parameters",
        "receptive_field",
        "tensors",
        "metrics",
    }
    assert keys <= set(answer)
    assert (answer["format"], answer["process"]) == ("original", "sbm")
    assert (answer["parameters"], answer["receptive_field"]) == (262885, 32)
    assert answer["tensors"][0] == {"name": "vae.encoder.0.weight", "shape": [16, 1, 3], "dtype": "float32"}


def test_a_run_stands_for_its_best_checkpoint(spivae, tiny_run: Path):
    assert spivae("inspect", tiny_run, "--json").json["path"] == str(
        tiny_run / "checkpoints/best.safetensors"
    )


def test_plugins_are_listed_with_what_they_provide(spivae):
    assert "process sbm" in spivae("plugins").out
    found = {info["name"]: info for info in spivae("plugins", "--json").json}
    keys = {"name", "version", "source", "status", "error", "traceback", "hooks", "provides"}
    assert set(found["sbm"]) == keys
    assert found["sbm"]["status"] == "ok"


@pytest.mark.parametrize("before", [True, False])
def test_a_broken_plugin_is_listed_with_its_error(
    spivae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
):
    monkeypatch.setenv("SPIVAE_PLUGINS", "")
    (tmp_path / "bad.py").write_text("import nothing_of_that_name")
    option = ["--plugins-dir", str(tmp_path)]
    listed = spivae(*option, "plugins", "--json") if before else spivae("plugins", "--json", *option)
    [bad] = [info for info in listed.json if info["name"] == "bad"]
    assert listed.code == 0
    assert bad["status"] == "error"
    assert "nothing_of_that_name" in bad["error"]


def test_a_broken_plugin_is_a_warning_to_commands_that_need_plugins(
    spivae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SPIVAE_PLUGINS", "")
    (tmp_path / "bad.py").write_text("1 / 0")
    made = spivae("data", "sbm", "--out", tmp_path / "d.npz", "--per-cell", 1, "--plugins-dir", tmp_path)
    assert made.code == 0
    assert made.err == "warning: plugin bad: ZeroDivisionError: division by zero\n"


def test_the_version_is_the_package_s(spivae):
    assert spivae("--version").out == f"spivae {__version__}\n"


def test_help_lists_every_command_under_a_heading(spivae):
    from spivae.cli.root import COMMANDS

    shown = spivae("--help").out
    assert all(f"\n  {name} " in shown for name in COMMANDS)


def test_every_command_can_be_loaded_and_explains_its_json(spivae):
    from spivae.cli.root import COMMANDS

    for name in COMMANDS:
        shown = spivae(name, "--help")
        assert shown.code == 0
        parts = re.findall(r"^  (\w+) ", shown.out.partition("Commands:")[2], re.MULTILINE)
        texts = [spivae(name, part, "--help").out for part in parts] or [shown.out]
        if name != "watch":  # it follows, and answers nothing
            assert all("--json: " in text for text in texts), name


def test_the_shell_completes_commands_and_checkpoints(spivae, process, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("_SPIVAE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "spivae in")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert process().out == "plain,inspect\n"


def test_json_numbers_that_are_not_finite_are_null(capsys: pytest.CaptureFixture[str]):
    from spivae.cli.output import emit_json

    emit_json({"a": float("nan"), "b": [float("inf")]})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None]}
