"""Switching plugins off and on, and handing them the user's settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spivae import plugin_settings
from spivae.cli import main
from spivae.errors import SpivaeError
from spivae.plugins import Plugins, load_plugins

MARKED = """
from pathlib import Path
from spivae.api import hookimpl

Path({mark!r}).touch()
heard = []

@hookimpl
def configure(settings):
    heard.append(settings)
"""


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty configuration folder of the user."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "spivae"
    (folder / "plugins").mkdir(parents=True)
    return folder


def status(plugins: Plugins, name: str) -> str:
    return plugins.info(name).status


def test_what_is_switched_off_is_not_imported(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mark = config / "imported"
    (config / "plugins" / "mine.py").write_text(MARKED.format(mark=str(mark)))
    assert main(["plugin", "disable", "mine"]) == 0
    assert not mark.exists()
    assert "`spivae plugin enable mine` switches it on" in capsys.readouterr().out
    assert main(["plugin", "disable", "bm", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"name": "bm", "enabled": False}
    plugins = load_plugins()
    assert (status(plugins, "mine"), status(plugins, "bm"), status(plugins, "sbm")) == (
        "disabled",
        "disabled",
        "ok",
    )
    assert not mark.exists()
    assert "bm" not in plugins.processes
    assert main(["plugin", "enable", "mine"]) == 0
    assert status(load_plugins(), "mine") == "ok"
    assert mark.exists()


def test_switching_twice_changes_nothing_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert plugin_settings.switch("sbm", on=False)
    assert not plugin_settings.switch("sbm", on=False)
    assert plugin_settings.disabled() == {"sbm"}
    assert plugin_settings.switch("sbm", on=True)
    assert not plugin_settings.switch("sbm", on=True)
    assert plugin_settings.disabled() == set()
    assert main(["plugin", "enable", "sbm"]) == 2
    assert "plugin 'sbm' is not switched off; those that are: none" in capsys.readouterr().err


def test_switching_what_is_not_there_names_what_is_near(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugin", "disable", "sbn"]) == 2
    assert "unknown plugin 'sbn'; did you mean 'sbm'?" in capsys.readouterr().err


def test_a_plugin_gets_its_own_table(config: Path) -> None:
    for name in ("mine", "other"):
        (config / "plugins" / f"{name}.py").write_text(MARKED.format(mark=str(config / name)))
    (config / "config.toml").write_text('[plugins.mine]\nurl = "here"\ndepth = [1, 2]\n')
    plugins = load_plugins()
    heard = {name: plugins.manager.get_plugin(name).heard for name in ("mine", "other")}
    assert heard == {"mine": [{"url": "here", "depth": [1, 2]}], "other": [{}]}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[plugins.mine\n", "config.toml: is no TOML"),
        ("plugins = 3\n", "config.toml: plugins needs a table for each plugin"),
        ("[plugins]\nmine = 3\n", "config.toml: plugins needs a table for each plugin"),
    ],
)
def test_a_broken_configuration_is_told_of(config: Path, written: str, said: str) -> None:
    (config / "config.toml").write_text(written)
    with pytest.raises(SpivaeError, match=said):
        load_plugins()


def test_settings_that_cannot_be_read_are_told_of(config: Path) -> None:
    (config / "config.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SpivaeError, match=r"config\.toml: cannot be read"):
        load_plugins()
