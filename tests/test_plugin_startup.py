"""Fifty installed plugins: the first frame does not wait for them, and each loads like a bundled one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COUNT = 50
PLUGIN = """
from pathlib import Path
import numpy as np
from spivae.api import Parameter, Process, hookimpl

Path(__file__).with_suffix(".imported").touch()

class Walk(Process):
    name = title = "walk{k}"
    parameters = (Parameter("D", low=1e-3, high=1e-1),)

@hookimpl
def register_processes(register):
    register(Walk())
"""
LOAD = """
import time
import spivae.plugins, importlib.metadata
begin = time.process_time()
plugins = spivae.plugins.load_plugins()
print(time.process_time() - begin, sum(info.status == "ok" for info in plugins.infos))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages as pip leaves them."""
    folder = tmp_path_factory.mktemp("site")
    for k in range(COUNT):
        (folder / f"walk{k}.py").write_text(PLUGIN.format(k=k))
        info = folder / f"spivae_walk{k}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: spivae-walk{k}\nVersion: 1.{k}\n")
        (info / "entry_points.txt").write_text(f"[spivae]\nwalk{k} = walk{k}\n")
    return folder


def load(path: str) -> tuple[float, int]:
    """Processor time of loading all plugins, the shortest of three, and how many there are."""
    taken, count = [], 0
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", LOAD],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        )
        seconds, number = done.stdout.split()
        taken.append(float(seconds))
        count = int(number)
    return min(taken), count


def test_one_more_costs_no_more_than_a_bundled_one(site: Path) -> None:
    alone, bundled = load("")
    beside, all_of_them = load(str(site))
    assert all_of_them == bundled + COUNT
    assert (beside - alone) / COUNT < alone / bundled


def test_the_first_frame_and_the_list_import_none_of_them(site: Path, reference: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parent / "tui"))
    from terminal import Terminal

    for mark in site.glob("*.imported"):
        mark.unlink()
    terminal = Terminal(str(reference), PYTHONPATH=str(site))
    terminal.read_until(b"sbm_trained")
    assert not list(site.glob("*.imported"))
    os.write(terminal.descriptor, b"p")  # the plugins' own screen loads them
    terminal.read_until(b" plugins")
    assert len(list(site.glob("*.imported"))) == COUNT
    os.write(terminal.descriptor, b"\x11")
    assert terminal.wait() == 0


CHECK = """
import sys
from spivae.plugins import check_process
check_process(sys.argv[1])
print(*(name for name in sys.modules if name.startswith("spivae_plugins.")))
"""


def test_to_know_a_process_its_own_plugin_is_enough(site: Path) -> None:
    def check(name: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", CHECK, name],
            env={**os.environ, "PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
        )

    imported = check("sbm").stdout.split()
    assert "spivae_plugins.sbm" in imported
    assert "spivae_plugins.accuracy" not in imported
    assert check("walk7").returncode == 0
    unknown = check("walkman")  # in none of them: all are asked
    assert unknown.returncode == 1
    assert "unknown process 'walkman'; did you mean 'walk" in unknown.stderr
