"""The folders' signature changes when something that is listed does."""

import os
from pathlib import Path

import pytest

from spivae_tui import watching
from spivae_tui.watching import signature


def test_it_stays_while_nothing_happens(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.safetensors").write_bytes(b"1")
    assert signature([tmp_path]) == signature([tmp_path])


def test_it_changes_with_new_replaced_and_vanished_files_at_any_depth(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    seen = {signature([tmp_path])}
    file = folder / "x.safetensors"
    file.write_bytes(b"1")
    os.utime(folder, (1, 1))
    seen.add(signature([tmp_path]))
    (folder / "part").write_bytes(b"2")
    os.replace(folder / "part", file)
    os.utime(folder, (2, 2))
    seen.add(signature([tmp_path]))
    file.unlink()
    os.utime(folder, (3, 3))
    seen.add(signature([tmp_path]))
    assert len(seen) == 4


def test_it_follows_a_run(tmp_path: Path) -> None:
    metrics = tmp_path / "run" / "metrics.jsonl"
    metrics.parent.mkdir()
    metrics.write_text("{}\n")
    before = signature([tmp_path])
    os.utime(metrics, (1, 1))
    assert signature([tmp_path]) != before


def test_a_missing_folder_that_appears_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    before = signature([folder])
    folder.mkdir()
    assert signature([folder]) != before


def test_links_that_go_round_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    signature([tmp_path])


def test_a_run_counts_as_one_folder_and_its_checkpoints_are_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        for folder in ("checkpoints", "state"):
            (tmp_path / name / folder).mkdir(parents=True)
        (tmp_path / name / "run.json").write_text("{}")
    (tmp_path / ".git" / "objects").mkdir(parents=True)
    monkeypatch.setattr(watching, "MOST_FOLDERS", 3)
    seen = {signature([tmp_path])}
    for name in "ab":
        os.utime(tmp_path / name / "run.json", (1, 1))
        seen.add(signature([tmp_path]))
        os.utime(tmp_path / name / "checkpoints", (1, 1))
        seen.add(signature([tmp_path]))
    assert len(seen) == 5
