"""Plugins: found through one group, checked on the spot, and isolated when they are broken."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType

import pytest

from spivae.checkpoint import read_header
from spivae.errors import SpivaeError
from spivae.plugins import PluginInfo, Plugins, load_plugins

GOOD = """
from spivae.api import Parameter, Process, hookimpl
import numpy as np

class Walk(Process):
    name = "walk"
    title = "A walk"
    parameters = (Parameter("D", low=1e-5, high=1e-2, scale="log"),)
    def displacements(self, rng, theta, steps):
        return np.sqrt(2 * theta[:, :1]) * rng.standard_normal((len(theta), steps))

@hookimpl
def register_processes(register):
    register(Walk())
"""


def load(tmp_path: Path, **sources: str) -> tuple[Plugins, dict[str, PluginInfo]]:
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
    plugins = load_plugins([tmp_path])
    return plugins, {info.name: info for info in plugins.infos}


def test_the_bundled_plugins_are_found_through_the_entry_points() -> None:
    plugins = load_plugins()
    assert {"sbm", "latents", "loss_map", "output"} <= {info.name for info in plugins.infos}
    assert all(info.status == "ok" for info in plugins.infos if info.source == "bundled"), plugins.infos
    assert plugins.process("sbm").title == "Scaled Brownian motion"
    assert {"latents", "loss", "output"} <= set(plugins.analyses)


def test_a_drop_in_file_is_a_plugin(tmp_path: Path) -> None:
    plugins, infos = load(tmp_path, mine=GOOD)
    assert infos["mine"].status == "ok", infos["mine"].error
    assert infos["mine"].provides == ["process walk"]
    assert infos["mine"].hooks == ["register_processes"]
    assert plugins.process("walk").names == ("D",)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import a_module_that_is_not_there", "ModuleNotFoundError"),
        ("def broken(:", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit"),
        (GOOD.replace("register_processes", "register_proceses"), "did you mean 'register_processes'?"),
        (GOOD.replace("@hookimpl", ""), "register_processes: lacks @hookimpl"),
        (GOOD.replace("@hookimpl", "").replace("register_processes", "add"), "implements no hook"),
        (GOOD.replace("(register)", "(registrar)"), "no argument 'registrar'; it has register"),
        (GOOD.replace("register(Walk())", "register(Walk)"), "takes an instance of Process"),
        (GOOD.replace('name = "walk"', 'name = "sbm"'), "the process 'sbm' is already registered"),
        (GOOD.replace('title = "A walk"', ""), "needs a name and a title"),
        (GOOD.replace("low=1e-5", "low=0"), "a log scale needs low > 0"),
        (GOOD.replace("register(Walk())", "raise RuntimeError('boom')"), "RuntimeError: boom"),
        (GOOD.replace("register(Walk())", "register(Walk()); register(1)"), "takes an instance of Process"),
    ],
)
def test_a_broken_plugin_is_reported_and_the_rest_go_on(tmp_path: Path, source: str, error: str) -> None:
    plugins, infos = load(tmp_path, broken=source, good=GOOD.replace('"walk"', '"other"'))
    assert infos["broken"].status == "error"
    assert error in (infos["broken"].error or "")
    assert infos["broken"].provides == []
    assert infos["good"].status == "ok"
    assert "sbm" in plugins.processes
    assert "walk" not in plugins.processes  # nothing of a plugin that failed half way


ARCHITECTURE = """
from spivae.api import WAVENET_VAE, Architecture, Arguments, hookimpl

@hookimpl
def register_architectures(register):
    register({})
"""
OTHER = (
    "Architecture(name={!r}, title='Mine', arguments=Arguments, model={!r}, shapes=lambda arguments: dict())"
)


@pytest.mark.parametrize(
    ("registered", "error"),
    [
        ("Architecture", "takes an instance of Architecture"),
        ("WAVENET_VAE", "the architecture 'wavenet-vae' is already registered"),
        (OTHER.format("wavenet-vae", "a:b"), "the architecture 'wavenet-vae' is already registered"),
        (OTHER.format("mine", "a.b"), "model needs 'package.module:function'"),
        (OTHER.format("", "a:b"), "needs a name and a title"),
    ],
)
def test_an_architecture_that_cannot_be_is_refused(tmp_path: Path, registered: str, error: str) -> None:
    plugins, infos = load(tmp_path, broken=ARCHITECTURE.format(registered))
    assert infos["broken"].status == "error"
    assert error in (infos["broken"].error or "")
    assert plugins.architectures["wavenet-vae"].title == "WaveNet-VAE"


def test_a_taken_plugin_name_is_refused(tmp_path: Path) -> None:
    _, infos = load(tmp_path, sbm=GOOD)
    assert infos["sbm"].status == "error"
    assert "taken" in (infos["sbm"].error or "")


def test_events_reach_every_plugin_and_a_raising_one_is_named(tmp_path: Path) -> None:
    event = "from spivae.api import hookimpl\n@hookimpl\ndef epoch_finished(metrics):\n    {}\n"
    plugins, infos = load(
        tmp_path, a_fails=event.format("raise ValueError('no')"), b_hears=event.format("metrics['heard'] = 1")
    )
    assert [infos[name].status for name in ("a_fails", "b_hears")] == ["ok", "ok"]
    warnings: list[str] = []
    metrics: dict[str, int] = {}
    plugins.notify("epoch_finished", warnings.append, run=None, metrics=metrics)
    assert metrics == {"heard": 1}
    assert warnings == ["plugin a_fails: epoch_finished: ValueError: no"]


def test_a_plugin_that_failed_hears_of_no_event(tmp_path: Path) -> None:
    heard = (
        "from spivae.api import hookimpl\n@hookimpl\ndef epoch_finished(metrics):\n    metrics['heard'] = 1\n"
    )
    failing = "@hookimpl\ndef register_processes(register):\n    register(1)\n"
    plugins, infos = load(tmp_path, broken=heard + failing)
    assert infos["broken"].status == "error"
    metrics: dict[str, int] = {}
    plugins.notify("epoch_finished", pytest.fail, run=None, metrics=metrics)
    assert metrics == {}


def test_a_plugin_that_comes_back_too_late_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a thread, as in the app, one that catches everything goes on for as long as it likes."""
    monkeypatch.setenv("SPIVAE_PLUGIN_SECONDS", "0.1")
    plugins, back = Plugins(), threading.Event()

    def find() -> object:
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            try:
                time.sleep(0.02)
            except BaseException:  # noqa: BLE001  # what a plugin may do
                continue
        back.set()
        return ModuleType("late")

    loading = threading.Thread(target=plugins.load, args=("late", "here", "", find))
    loading.start()
    loading.join()
    assert "did not come back" in (plugins.info("late").error or "")
    assert back.wait(60)
    time.sleep(0.1)
    assert not plugins.manager.has_plugin("late")


@pytest.mark.parametrize("given", ["soon", "0", "-1", "nan"])
def test_a_patience_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("SPIVAE_PLUGIN_SECONDS", given)
    with pytest.raises(SpivaeError, match=f"SPIVAE_PLUGIN_SECONDS: '{given}' is no number of seconds"):
        Plugins()


FOREIGN = """
from pathlib import Path
from spivae.api import hookimpl
from spivae.checkpoint import Checkpoint

@hookimpl
def read_checkpoint(path: Path):
    {}
"""


def test_a_plugin_may_read_a_foreign_checkpoint(tmp_path: Path) -> None:
    knows = "return Checkpoint(path=str(path), format='mine', process='sbm') if path.suffix == '.x' else None"
    plugins, _ = load(
        tmp_path,
        a_knows=FOREIGN.format(knows),
        b_fails=FOREIGN.format("raise ValueError('no')"),
    )
    (tmp_path / "model.x").write_bytes(b"something else")
    found = read_header(tmp_path / "model.x", plugins.read_checkpoint)
    assert (found.format, found.process) == ("mine", "sbm")
    (tmp_path / "model.y").write_bytes(b"something else")
    with pytest.raises(SpivaeError, match="plugin b_fails: ValueError: no"):
        read_header(tmp_path / "model.y", plugins.read_checkpoint)


def test_unknown_names_come_with_near_ones() -> None:
    with pytest.raises(SpivaeError, match="unknown process 'sbn'; did you mean 'sbm'"):
        load_plugins().process("sbn")
    with pytest.raises(SpivaeError, match="unknown analysis 'xyz'; there are"):
        load_plugins().analysis("xyz")


def test_listing_plugins_imports_neither_torch_nor_a_terminal_library() -> None:
    code = (
        "import sys; from spivae.plugins import load_plugins; load_plugins();"
        "print([name for name in ('torch', 'textual', 'plotext', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
