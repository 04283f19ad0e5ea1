"""The folder of kept answers: bounded, shared, and never a reason to fail."""

import errno
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spivae.analysis import Result
from spivae.errors import SpivaeError, WorkFailed
from spivae.figure.spec import Figure
from spivae.worker import results
from spivae.worker.answers import Answer
from spivae.worker.results import Results, of_user

MB = 1_000_000


def key(number):
    return f"{number:064x}"


def answer(number=0, size=1000):
    arrays = {"made": np.full(size, number, dtype=np.uint8)}
    return Answer(Figure(panels=()), Result(arrays), "sbm", None)


def number_of(found):
    return None if found is None else int(found.result.arrays["made"][0])


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def kept(tmp_path, warnings):
    return Results(tmp_path / "deep" / "results", MB, warnings.append)


def test_what_was_put_is_got_and_nothing_else(kept):
    assert kept.get(key(1)) is None
    kept.put(key(1), answer(1))
    assert number_of(kept.get(key(1))) == 1
    assert kept.get(key(2)) is None
    kept.put(key(1), answer(3))
    assert number_of(kept.get(key(1))) == 3
    assert kept.usage().entries == 1


def test_what_was_used_longest_ago_makes_room(kept, monkeypatch):
    now = time.time()
    for number in range(10):
        kept.put(key(number), answer(number, 95_000))
        os.utime(kept.folder / f"{key(number)}.answer", (now, now - 100 + number))
    assert kept.usage().entries == 10
    assert number_of(kept.get(key(0))) == 0  # now the youngest
    kept.put(key(10), answer(10, 95_000))
    assert kept.usage().size <= MB
    assert [number for number in range(11) if kept.get(key(number)) is None] == [1]
    monkeypatch.setattr(results, "MAX_ENTRIES", 4)
    kept.put(key(11), answer(11))
    assert kept.usage().entries == 4
    assert kept.get(key(11)) is not None


def test_an_answer_of_more_than_a_tenth_is_not_kept(kept):
    kept.put(key(1), answer(1, 99_000))
    kept.put(key(2), answer(2, 100_001))
    assert kept.get(key(1)) is not None
    assert kept.get(key(2)) is None


def test_half_written_entries_of_killed_processes_go_after_a_while(kept):
    kept.put(key(1), answer(1))
    young, old = (kept.folder / f".{key(1)}.answer.{name}.part" for name in ("young", "old"))
    for path in (young, old):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    kept.put(key(2), answer(2))
    assert young.exists()
    assert not old.exists()


def test_clearing_leaves_what_is_not_ours(kept):
    for number in range(3):
        kept.put(key(number), answer(number))
    foreign = [kept.folder / name for name in ("notes.txt", "ab.answer", f"{key(9)}.answer.bak")]
    for path in foreign:
        path.write_text("mine")
    (kept.folder / f"{key(8)}.answer").mkdir()
    (kept.folder / f"{key(7)}.answer").symlink_to(foreign[0])
    removed = kept.clear()
    assert removed.entries == 3
    assert removed.size > 3000
    assert kept.usage() == (0, 0)
    assert all(path.read_text() == "mine" for path in foreign)
    assert kept.clear() == (0, 0)


CONTENT = st.binary(max_size=200)


@given(CONTENT, st.integers(0, 2000))
def test_a_damaged_entry_counts_as_none_and_is_written_again(tmp_path_factory, junk, cut):
    kept = Results(tmp_path_factory.getbasetemp() / "damaged", MB)
    kept.put(key(1), answer(1))
    path = kept.folder / f"{key(1)}.answer"
    whole = path.read_bytes()
    for content in (junk, whole[: cut % len(whole)], whole + b"\0", whole[:60] + junk + whole[60:]):
        path.write_bytes(content)
        assert kept.get(key(1)) is None or content == whole
        kept.put(key(1), answer(2))
        assert number_of(kept.get(key(1))) == 2


@given(st.integers(0), st.integers(1, 255))
def test_a_single_byte_that_was_changed_is_seen(tmp_path_factory, place, by):
    kept = Results(tmp_path_factory.getbasetemp() / "changed", MB)
    kept.put(key(1), answer(1))
    path = kept.folder / f"{key(1)}.answer"
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= by
    path.write_bytes(content)
    assert kept.get(key(1)) is None


def test_an_entry_under_another_ones_name_is_refused(kept):
    kept.put(key(1), answer(1))
    os.link(kept.folder / f"{key(1)}.answer", kept.folder / f"{key(2)}.answer")
    assert kept.get(key(2)) is None


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("nowhere", path)])
def test_what_is_no_file_counts_as_none(kept, make):
    kept.folder.mkdir(parents=True)
    make(kept.folder / f"{key(1)}.answer")
    assert kept.get(key(1)) is None
    assert kept.usage().entries == 0


def test_an_entry_too_large_to_be_ours_is_not_read(kept):
    kept.put(key(1), answer(1))
    os.truncate(kept.folder / f"{key(1)}.answer", 2**40)  # of holes
    assert kept.get(key(1)) is None


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.ESTALE])
@pytest.mark.parametrize("call", ["os.fsync", "os.replace", "tempfile.mkstemp"])
def test_a_full_or_forbidden_disk_is_told_of_once(kept, warnings, monkeypatch, call, reason):
    def refuse(*args, **kwargs):
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(call, refuse)
    kept.put(key(1), answer(1))
    kept.put(key(2), answer(2))
    assert kept.get(key(1)) is None
    assert len(warnings) == 1
    assert os.strerror(reason).lower() in warnings[0]
    assert "SPIVAE_CACHE" in warnings[0]
    assert os.listdir(kept.folder) == []


def test_a_folder_that_cannot_be_made_is_told_of_once(tmp_path, warnings):
    (tmp_path / "file").write_text("")
    kept = Results(tmp_path / "file" / "results", MB, warnings.append)
    kept.put(key(1), answer(1))
    assert kept.get(key(1)) is None
    assert len(warnings) == 1


def test_a_folder_that_is_only_read_is_read_all_the_same(kept, monkeypatch):
    kept.put(key(1), answer(1))

    def refuse(*args, **kwargs):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(os, "unlink", refuse)
    assert number_of(kept.get(key(1))) == 1
    with pytest.raises(WorkFailed, match="cannot be removed"):
        kept.clear()


WRITER = """
import sys
sys.path.insert(0, {here!r})
from test_results import answer, key, number_of
from pathlib import Path
from spivae.worker.results import Results
kept = Results(Path({folder!r}), 1_000_000, lambda text: sys.exit("warned: " + text))
for turn in range(60):
    for number in range(4):
        kept.put(key(number), answer(number, 90_000 + 1000 * ({own} + number)))
        found = number_of(kept.get(key(number)))
        assert found in (None, number), found
    if turn % 20 == 19:
        kept.clear()
"""


def test_processes_that_write_read_and_clear_at_once_see_whole_answers_alone(tmp_path):
    folder = str(tmp_path / "results")
    scripts = [WRITER.format(here=os.path.dirname(__file__), folder=folder, own=own) for own in (0, 1, 2)]
    writers = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) for script in scripts]
    for writer in writers:
        _, said = writer.communicate(timeout=60)
        assert writer.returncode == 0, said.decode()
    assert not [name for name in os.listdir(folder) if name.endswith(".part")]


def test_threads_may_share_it(kept):
    def work(number):
        kept.put(key(number % 3), answer(number % 3))
        return number_of(kept.get(key(number % 3))) in (number % 3, None)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(60)))


@pytest.mark.parametrize("off", ["off", "", " off "])
def test_the_environment_turns_it_off(monkeypatch, off):
    monkeypatch.setenv("SPIVAE_CACHE", off)
    assert of_user() is None


def test_the_environment_chooses_folder_and_size(monkeypatch, tmp_path):
    monkeypatch.setenv("SPIVAE_CACHE", str(tmp_path))
    monkeypatch.setenv("SPIVAE_CACHE_MB", "1.5")
    assert of_user().folder == tmp_path
    assert of_user().limit == 1_500_000
    monkeypatch.setenv("SPIVAE_CACHE_MB", "0")
    assert of_user() is None
    monkeypatch.delenv("SPIVAE_CACHE_MB")
    monkeypatch.delenv("SPIVAE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert of_user().folder == tmp_path / "spivae" / "results"


@pytest.mark.parametrize("size", ["many", "-1", "nan", "inf", "1e30"])
def test_a_size_that_is_none_is_wrong_input(monkeypatch, size):
    monkeypatch.setenv("SPIVAE_CACHE_MB", size)
    with pytest.raises(SpivaeError, match=r"SPIVAE_CACHE_MB: .* is no size"):
        of_user()
