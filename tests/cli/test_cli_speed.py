"""What a command imports, and how much processor time it takes.

Processor time, because others may use the machine; the limits are twice what they are at rest.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from processes import children_seconds

HEAVY = {"torch", "numpy", "textual", "plotext", "rich"}
_PROBE = """
import sys
from spivae.cli import main
code = main(sys.argv[1:])
print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
sys.exit(code)
"""


def imported(*arguments: object) -> set[str]:
    """The top-level modules of a process after a command."""
    command = [sys.executable, "-c", _PROBE, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return set(done.stderr.split())


def seconds(*arguments: object) -> float:
    """Processor time of a command as a process, the shorter of two runs."""
    command = [sys.executable, "-m", "spivae", *map(str, arguments)]
    taken = []
    for _ in range(2):
        begin = children_seconds()
        subprocess.run(command, stdout=subprocess.DEVNULL, timeout=60, check=True)
        taken.append(children_seconds() - begin)
    return min(taken)


@pytest.fixture
def thousand(tmp_path: Path, reference: Path, tiny_checkpoint: Path) -> Path:
    """A folder of a thousand checkpoints of both formats."""
    for index in range(500):
        shutil.copy(tiny_checkpoint, tmp_path / f"{index}.safetensors")
        shutil.copy(reference / "original_wavenet_only.tar", tmp_path / f"{index}.tar")
    return tmp_path


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_imports_nothing_but_click(option: str) -> None:
    assert not imported(option) & (HEAVY | {"msgspec", "pluggy"})


def test_listing_imports_neither_torch_nor_numpy_nor_textual(reference: Path) -> None:
    assert not imported("ls", reference) & HEAVY


def test_the_overview_of_a_pipe_imports_neither_torch_nor_numpy_nor_textual(reference: Path) -> None:
    assert not imported(reference) & HEAVY


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_inspecting_imports_neither_torch_nor_numpy(reference: Path, as_json: list[str]) -> None:
    assert not imported("inspect", reference / "original_init.tar", *as_json) & HEAVY


def test_listing_runs_imports_neither_torch_nor_numpy(tiny_run: Path) -> None:
    assert not imported("runs", "--run-dir", tiny_run.parent) & HEAVY


def test_listing_plugins_does_not_import_torch() -> None:
    assert "torch" not in imported("plugins")


def test_help_is_there_at_once() -> None:
    assert seconds("--help") < 2 * 0.15


def test_a_checkpoint_is_inspected_at_once(reference: Path) -> None:
    assert seconds("inspect", reference / "original_sbm_trained.tar") < 2 * 0.35


def test_a_thousand_checkpoints_are_listed_in_a_moment(thousand: Path) -> None:
    assert seconds("ls", thousand) < 2 * 1.5
