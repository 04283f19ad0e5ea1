"""The temporary folder of a process: gone with it, or with the next one where it was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from spivae.training.own_folder import own_folder

HOLDS = (
    "import sys, tempfile\n"
    "from spivae.training.own_folder import own_folder\n"
    "tempfile.tempdir = sys.argv[1]\n"
    "with own_folder('of-a-test-') as folder:\n"
    "    print(folder, flush=True)\n"
    "    sys.stdin.read()\n"
)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_what_a_killed_process_has_left_is_removed_by_the_next_and_nothing_else(temporary: Path):
    command = [sys.executable, "-c", HOLDS, str(temporary)]
    (temporary / "of-a-test-notes").mkdir()  # the user's own
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        theirs = Path(process.stdout.readline().strip())
        with own_folder("of-a-test-") as mine:
            (theirs / "store").write_text("what torchrun keeps")
            with own_folder("of-a-test-"):
                assert theirs.is_dir(), "the folder of a process at work was removed"
            process.kill()
            process.wait()
            assert theirs.is_dir()
            with own_folder("of-a-test-"):
                assert not theirs.exists()
                assert Path(mine).is_dir()
    assert [path.name for path in temporary.iterdir()] == ["of-a-test-notes"]
