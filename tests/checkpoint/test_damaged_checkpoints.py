"""A missing, empty, forbidden or damaged file gives one clear line, whatever the damage."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_archives import SMALL, TRAINED, small_weights, write_original

from spivae.checkpoint import Checkpoint, read, read_header, write
from spivae.errors import SpivaeError

WEIGHTS = small_weights(np.random.default_rng(0))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a small checkpoint in either format, and a scratch file to damage them in."""
    folder = tmp_path_factory.mktemp("damaged")
    write(folder / "a", Checkpoint(process="sbm", model_args=SMALL, weights=WEIGHTS, ds_args={"T": 21}))
    write_original(folder / "b", WEIGHTS)
    return {
        "spivae": (folder / "a").read_bytes(),
        "original": (folder / "b").read_bytes(),
    }, folder / "damaged"


def _error(path):
    with pytest.raises(SpivaeError) as caught:
        read_header(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    with pytest.raises(SpivaeError) as caught:
        read(path)
    assert str(caught.value) == message
    return message


def _outcome(reader, path):
    """The message of the refusal, or None where the file was read."""
    try:
        reader(path)
    except SpivaeError as error:
        return str(error)
    return None


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    assert "no such file" in _error(tmp_path / "nothing.tar")


@pytest.mark.parametrize("name", ["m.tar", "m.safetensors"])
def test_an_empty_file_is_said_to_be_empty(tmp_path, name):
    (tmp_path / name).touch()
    assert "is empty" in _error(tmp_path / name)


def test_a_folder_is_said_to_be_one(tmp_path):
    assert "is a folder" in _error(tmp_path)


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in _error(tmp_path / "pipe")


def test_a_forbidden_file_is_said_to_be_forbidden(tmp_path, monkeypatch):
    def forbidden(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", forbidden)
    assert "permission denied" in _error(tmp_path / "m.tar")


def test_a_disk_that_fails_is_named(tmp_path, monkeypatch):
    def fails(path, *args, **kwargs):
        raise OSError(5, "Input/output error", path)

    monkeypatch.setattr(os, "open", fails)
    assert "Input/output error" in _error(tmp_path / "m.tar")


def test_a_path_with_a_nul_is_refused():
    with pytest.raises(SpivaeError, match="is no path"):
        read_header("a\0b")


@pytest.mark.parametrize(
    "content", [b"x", b"hello, this is text", bytes(1000), b"PK\x03\x04", b"\x1f\x8b" * 50]
)
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    path = tmp_path / "m.tar"
    path.write_bytes(content)
    _error(path)


def test_a_real_tar_a_bare_pickle_and_an_npz_say_what_they_are_not(tmp_path):
    import pickle

    with tarfile.open(tmp_path / "real.tar", "w") as archive:
        archive.add(TRAINED, "x")
    assert "neither a spivae checkpoint" in _error(tmp_path / "real.tar")
    (tmp_path / "bare.tar").write_bytes(pickle.dumps({"a": 1}, 2))
    assert "bare pickle" in _error(tmp_path / "bare.tar")
    np.savez_compressed(tmp_path / "data.npz", a=np.zeros(1000))
    assert "no data.pkl" in _error(tmp_path / "data.npz")


@pytest.mark.parametrize("format", ["spivae", "original"])
def test_a_file_cut_anywhere_gives_a_clear_error(whole, format):
    contents, path = whole

    @settings(max_examples=150, deadline=None)
    @given(st.integers(0, len(contents[format]) - 1))
    def cut(length):
        path.write_bytes(contents[format][:length])
        _error(path)

    cut()


@pytest.mark.parametrize("format", ["spivae", "original"])
def test_a_file_with_flipped_bytes_is_read_or_refused_clearly(whole, format):
    contents, path = whole

    @settings(max_examples=250, deadline=None)
    @given(
        st.lists(
            st.tuples(st.integers(0, len(contents[format]) - 1), st.integers(1, 255)), min_size=1, max_size=4
        )
    )
    def flip(changes):
        content = bytearray(contents[format])
        for at, change in changes:
            content[at] ^= change
        path.write_bytes(content)
        for reader in (read_header, read):
            message = _outcome(reader, path)
            assert message is None or (message.startswith(f"{path}: ") and message.isprintable())

    flip()


@settings(max_examples=150, deadline=None)
@given(
    content=st.binary(max_size=200), head=st.sampled_from([b"", b"PK\x03\x04", bytes([90]) + bytes(7) + b"{"])
)
def test_any_bytes_are_refused_clearly(whole, content, head):
    path = whole[1]
    path.write_bytes(head + content)
    _error(path)


def test_damage_to_an_originals_numbers_is_noticed(whole):
    contents, path = whole
    content = bytearray(contents["original"])
    at = content.find(WEIGHTS["causal.conv.weight"].tobytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(SpivaeError, match="damaged"):
        read(path)


def test_a_foreign_reader_is_asked_only_where_neither_format_fits(tmp_path):
    asked = []

    def foreign(path):
        asked.append(path)
        return Checkpoint(format="mine", architecture="mine") if path.suffix == ".mine" else None

    (tmp_path / "a.mine").write_bytes(b"mine" * 10)
    found = read_header(tmp_path / "a.mine", foreign)
    assert (found.format, asked) == ("mine", [tmp_path / "a.mine"])
    np.savez(tmp_path / "b.npz", a=1)
    with pytest.raises(SpivaeError, match=r"no data\.pkl"):
        read(tmp_path / "b.npz", foreign)
    assert len(asked) == 2
    assert read_header(TRAINED, foreign).format == "original"
    (tmp_path / "cut.tar").write_bytes(TRAINED.read_bytes()[:-10])
    with pytest.raises(SpivaeError, match="cut short"):
        read(tmp_path / "cut.tar", foreign)
    assert len(asked) == 2


def test_headers_and_lists_are_read_without_torch_or_numpy():
    program = f"""
import sys
import spivae.checkpoint
assert not {{"numpy", "torch", "msgspec"}} & set(sys.modules), "the package itself"
import spivae.catalog
spivae.checkpoint.read_header({str(TRAINED)!r})
spivae.checkpoint.resolve({str(TRAINED.with_suffix(""))!r})
entries = list(spivae.catalog.scan([{str(TRAINED.parent)!r}]))
assert len(entries) == 4 and not any(entry.error for entry in entries), entries
assert spivae.checkpoint.read_header({str(TRAINED)!r}).receptive_field == 32
assert not {{"numpy", "torch", "pickle", "safetensors"}} & set(sys.modules), sorted(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
