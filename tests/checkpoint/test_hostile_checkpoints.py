"""A hostile file is refused by name, runs nothing, and cannot fill the memory or hang the reader."""

from __future__ import annotations

import builtins
import contextlib
import os
import pickle
import pickletools
import struct
import time
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch_archives import (
    SMALL,
    call,
    dumps,
    named,
    persistent,
    small_weights,
    storage,
    tensor,
    top,
    write_archive,
    write_original,
)

from spivae.checkpoint import read, read_header
from spivae.checkpoint.restricted_pickle import loads
from spivae.errors import SpivaeError


class _Reduces:
    def __init__(self, function, *args):
        self.reduced = (function, args)

    def __reduce__(self):
        return self.reduced


def _refusal(path):
    """The one-line error with which both readers refuse a file."""
    messages = []
    for reader in (read_header, read):
        with pytest.raises(SpivaeError) as caught:
            reader(path)
        assert type(caught.value).exit_code == 2
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert messages[0].startswith(f"{path}: ")
    assert messages[0].isprintable()
    return messages[0]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("place", ["top", "model_args", "ds_args", "network_state_dict"])
def test_a_pickle_that_would_run_a_command_is_refused_by_name(tmp_path, protocol, place):
    sentinel = tmp_path / "ran"
    command = _Reduces(os.system, f"touch {sentinel}")
    content = command if place == "top" else {**top({}), place: {"x": command}}
    path = write_archive(tmp_path / "m.tar", pickle.dumps(content, protocol))
    message = _refusal(path)
    assert "posix.system" in message
    assert "os.system" in message
    assert not sentinel.exists()
    pickle.loads(pickle.dumps(command))  # noqa: S301  # that the trap works is part of the proof
    assert sentinel.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_evaluate_code_is_refused_by_name(tmp_path, protocol):
    sentinel = tmp_path / "ran"
    for function in (eval, exec, getattr, __import__, open):
        evil = _Reduces(function, f"open({str(sentinel)!r}, 'w')")
        message = _refusal(write_archive(tmp_path / "m.tar", pickle.dumps({"x": evil}, protocol)))
        assert function.__name__ in message
        assert "builtins." in message or "io.open" in message
    assert not sentinel.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("torch", "load"),
        ("torch.serialization", "load"),
        ("torch.hub", "load"),
        ("torch._utils", "_rebuild_tensor_v2.__globals__"),
        ("torch", "FloatStorage.from_file"),
        ("numpy", "load"),
        ("numpy", "ndarray.tofile"),
        ("collections", "OrderedDict.update"),
        ("collections.OrderedDict", ""),
        ("runpy", "run_path"),
        ("subprocess", "Popen"),
        ("functools", "partial"),
        ("codecs", "encode"),
        ("_codecs", "decode"),
        ("spivae.files", "replacing"),
        ("copyreg", "_reconstructor"),
    ],
)
def test_every_unlisted_global_is_refused_by_name(tmp_path, module, name):
    for content in ({"x": named(module, name)}, call(module, name, "x")):
        assert f"{module}.{name}" in _refusal(write_archive(tmp_path / "m.tar", dumps(content)))
    stacked = b"\x80\x04\x8c" + bytes([len(module)]) + module.encode() + b"\x8c" + bytes([len(name)])
    assert f"{module}.{name}" in _refusal(
        write_archive(tmp_path / "m.tar", stacked + name.encode() + b"\x93.")
    )
    instance = b"(i" + module.encode() + b"\n" + name.encode() + b"\n."
    assert f"{module}.{name}" in _refusal(write_archive(tmp_path / "m.tar", instance))


def test_a_global_cannot_smuggle_control_characters_into_the_message(tmp_path):
    assert "\x1b" not in _refusal(write_archive(tmp_path / "m.tar", b"\x80\x02c\x1b[31mos\nsys\x07tem\n."))


GOOD = b"\x80\x02}."
PIECES = {
    "extension codes": (b"\x80\x02\x82\x01.", "extension registry"),
    "two-byte extension codes": (b"\x80\x02\x83\x01\x00.", "extension registry"),
    "four-byte extension codes": (b"\x80\x02\x84\x01\x00\x00\x00.", "extension registry"),
    "persistent ids as text": (b"Pabc\n.", "persistent id"),
    "new objects": (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "new object"),
    "new objects by class": (b"\x80\x02(ccollections\nOrderedDict\no.", "new object"),
    "buffers from outside": (b"\x80\x05\x97.", "buffer"),
    "instances": (b"\x80\x02(icollections\nOrderedDict\n.", "instance"),
    "a huge memo": (b"\x80\x02Nr\xff\xff\xff\x7f.", "memo"),
    "an unknown protocol": (b"\x80\x09N.", "protocol"),
    "an unknown opcode": (b"\x80\x02\xff.", "opcode 0xff"),
    "a call of text": (b"\x80\x02X\x01\x00\x00\x00a)R.", "no function"),
    "a call of an argument": (b"\x80\x02cnumpy\nndarray\n)R.", "no function"),
    "a call of a storage type": (b"\x80\x02ctorch\nFloatStorage\n)R.", "no function"),
    "state for a function": (b"\x80\x02c_codecs\nencode\n}X\x0c\x00\x00\x00__defaults__)sb.", "state"),
    "state for a list": (b"\x80\x02]}b.", "state"),
    "items for a function": (b"\x80\x02c_codecs\nencode\nNNs.", "no dict"),
    "items for a tuple": (b"\x80\x02)NNs.", "no dict"),
    "more for a tuple": (b"\x80\x02)Na.", "no list"),
    "a tuple as a key": (b"\x80\x02})Ns.", "key"),
    "a global without text": (b"\x80\x04NN\x93.", "global"),
}


@pytest.mark.parametrize("what", PIECES)
def test_a_pickle_cannot_use(tmp_path, what):
    content, message = PIECES[what]
    assert message in _refusal(write_archive(tmp_path / "m.tar", content))


@pytest.mark.parametrize(
    "pid",
    [
        "storage",
        ("storage",),
        ("module", named("torch", "FloatStorage"), "0", "cpu", 1),
        ("storage", "FloatStorage", "0", "cpu", 1),
        ("storage", named("numpy", "ndarray"), "0", "cpu", 1),
        ("storage", named("torch", "FloatStorage"), 0, "cpu", 1),
        ("storage", named("torch", "FloatStorage"), "0", "cpu", -1),
        ("storage", named("torch", "FloatStorage"), "0", "cpu", True),
        ("storage", named("torch", "FloatStorage"), "0", "cpu", 1, 2),
    ],
)
def test_a_persistent_id_that_is_no_storage_is_refused(pid):
    with pytest.raises(SpivaeError, match="persistent id"):
        loads(dumps(persistent(pid)))


@pytest.mark.parametrize(
    ("shape", "stride", "offset", "numel"),
    [
        ((-1,), (1,), 0, 4),
        ((2,), (-1,), 0, 4),
        ((2,), (1,), -1, 4),
        ((2,), (1,), 3, 4),
        ((5,), (1,), 0, 4),
        ((2, 2), (4, 1), 0, 4),
        ((10**9, 10**9), (0, 0), 0, 4),
        ((2,), (1, 1), 0, 4),
        ((1.5,), (1,), 0, 4),
        ((True,), (1,), 0, 4),
        ([2], (1,), 0, 4),
        ((1,) * 40, (1,) * 40, 0, 4),
        ((2**62, 2**62), (1, 2**62), 0, 4),
    ],
)
def test_a_tensor_that_reaches_outside_its_storage_is_refused(tmp_path, shape, stride, offset, numel):
    state = {"init_conv.bias": tensor(storage("0", numel), shape, stride, offset)}
    path = write_archive(tmp_path / "m.tar", dumps(top(state)), {"0": bytes(4 * numel)})
    assert "refused" in _refusal(path)


def test_a_storage_of_another_size_than_declared_is_refused(tmp_path):
    for held in (0, 7, 9, 1000):
        state = {"init_conv.bias": tensor(storage("0", 2), (2,))}
        path = write_archive(tmp_path / "m.tar", dumps(top(state)), {"0": bytes(held)})
        assert f"needs 8 bytes (2 x float32), but the zip holds {held:,}" in _refusal(path)
    state = {"init_conv.bias": tensor(storage("1", 2), (2,))}
    assert "are missing" in _refusal(write_archive(tmp_path / "m.tar", dumps(top(state)), {"0": bytes(8)}))
    state = {"init_conv.bias": tensor(storage("../../x", 2), (2,))}
    assert "are missing" in _refusal(write_archive(tmp_path / "m.tar", dumps(top(state)), {"0": bytes(8)}))


def test_tensors_that_overlap_cannot_claim_more_than_the_file_holds(tmp_path):
    zeros = np.zeros(40_000, np.float32)
    many = {"o_dim": 400, "res_channels": 100, "stack_size": 100}
    weights = small_weights(np.random.default_rng(0), **many)
    state, storages = {}, {"z": zeros.tobytes()}
    for i, (name, array) in enumerate(weights.items()):
        state[name], storages[str(i)] = tensor(storage(str(i), array.size), array.shape), array.tobytes()
    for block in range(200):  # each another view of the same zeros
        rows = tensor(storage("z", 40_000), (200, 100, 2), (200, 2, 1), 0)
        shifted = tensor(storage("z", 40_000), (100, 100, 1), (100, 1, 1), block)
        state[f"res_stack.{block}.dilated.conv.weight"] = rows
        state[f"res_stack.{block}.conv_res.weight"] = shifted
    content = dumps(top(state, {**SMALL, **many}))
    path = write_archive(tmp_path / "m.tar", content, storages)
    with pytest.raises(SpivaeError, match="more numbers than the file holds"):
        read(path)


@pytest.mark.parametrize("key", ["layer_size", "stack_size"])
def test_arguments_of_an_absurd_network_are_refused(tmp_path, key):
    path = write_archive(
        tmp_path / "m.tar", dumps(top({"a": tensor(storage("0", 1), (1,))}, {**SMALL, key: 10**9}))
    )
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("model/data/0", bytes(4))
    assert f"{key} 1000000000 is past" in _refusal(path)


def _array(shape, code, data, fortran=False):
    dtype = call("numpy", "dtype", code, False, True, state=(3, "<", None, None, None, -1, -1, 0))
    made = (named("numpy", "ndarray"), (0,), call("_codecs", "encode", "b", "latin1"))
    state = (1, shape, dtype, fortran, call("_codecs", "encode", data, "latin1"))
    return call("numpy.core.multiarray", "_reconstruct", *made, state=state)


@pytest.mark.parametrize(
    ("shape", "code", "data"),
    [
        ((10**12,), "f8", "x" * 8),
        ((3,), "f8", "x" * 8),
        ((-1,), "f8", ""),
        ((10**9, 0), "f8", ""),
        ((1,) * 100, "f8", "x" * 8),
        ((2,), "O8", "x" * 16),
        ((2,), "M8", "x" * 16),
        ((1,), "V4", "x" * 4),
        ((1,), "f16", "x" * 16),
    ],
)
def test_an_absurd_array_in_the_arguments_is_refused(tmp_path, shape, code, data):
    content = {**top({}), "ds_args": {"D": _array(shape, code, data)}}
    assert "refused" in _refusal(write_archive(tmp_path / "m.tar", dumps(content)))


def test_encodings_other_than_latin1_are_refused():
    for args in (("x", "rot13"), ("x", "utf-8"), ("x",), (b"x", "latin1"), ("x", "latin1", "ignore")):
        with pytest.raises(SpivaeError, match="latin1"):
            loads(dumps(call("_codecs", "encode", *args)))


def _nested_lists(depth):
    return b"\x80\x02}X\x0a\x00\x00\x00model_args" + b"]" * depth + b"a" * (depth - 1) + b"s."


def _laughs(levels):
    """Lists of two references to the list before: 2**levels values in a few bytes a level."""
    pickled = b"\x80\x02}X\x0a\x00\x00\x00model_args]q\x00"
    for level in range(levels):
        pickled += b"](h" + bytes([level]) + b"h" + bytes([level]) + b"eq" + bytes([level + 1])
    return pickled + b"s."


def _hashes(levels):
    """A tuple as a key of a dict that would take 2**levels steps to hash."""
    return b"\x80\x02})q\x00" + b"".join(b"h\x00h\x00\x86q\x00" for _ in range(levels)) + b"Ns."


def _encodes(times):
    """The same megabyte, encoded again and again."""
    text = "x" * 2**20
    head = (
        b"\x80\x02]q\x03(X" + struct.pack("<I", 2**20) + text.encode() + b"q\x00X\x06\x00\x00\x00latin1q\x01"
    )
    return head + b"c_codecs\nencode\nq\x02" + b"h\x02h\x00h\x01\x86R" * times + b"e."


@pytest.mark.parametrize(
    "content",
    [
        _nested_lists(100),
        _nested_lists(200_000),
        _laughs(60),
        _hashes(60),
        _encodes(10_000),
        b"\x80\x02}X\x0a\x00\x00\x00model_args]q\x00h\x00as.",
        b"\x80\x02" + b")" + b"\x85" * 300_000 + b".",
        b"\x80\x02X\xff\xff\xff\xffabc",
        b"\x80\x02\x8b\xff\xff\xff\x7f.",
        b"\x80\x02}X\x0a\x00\x00\x00model_args\x8a\xff" + b"\xff" * 254 + b"\x7fs.",
    ],
    ids=[
        "deep",
        "deeper",
        "laughs",
        "hashes",
        "encodes",
        "itself",
        "tuples",
        "long text",
        "long number",
        "big",
    ],
)
def test_a_pickle_cannot_hang_or_fill_the_memory(tmp_path, content):
    path = write_archive(tmp_path / "m.tar", content)
    start = time.process_time()
    _refusal(path)
    assert time.process_time() - start < 5


def test_a_zip_bomb_is_refused_before_it_inflates(tmp_path, monkeypatch):
    import zlib

    path = write_archive(tmp_path / "m.tar", bytes(2**26), compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000

    def inflates(*args):
        raise AssertionError("something was inflated")

    monkeypatch.setattr(zlib, "decompressobj", inflates)
    assert "compressed" in _refusal(path)


def test_a_compressed_storage_is_refused_too(tmp_path):
    state = {"init_conv.bias": tensor(storage("0", 2**22), (2**22,))}
    path = tmp_path / "m.tar"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", dumps(top(state)))
        archive.writestr("m/data/0", bytes(2**24), zipfile.ZIP_DEFLATED)
    assert "'m/data/0' is compressed" in _refusal(path)


def test_a_pickle_past_its_limit_is_refused(tmp_path, monkeypatch):
    from spivae.checkpoint import original

    monkeypatch.setattr(original, "MAX_PICKLE", 1000)
    assert "more than 1,000" in _refusal(write_archive(tmp_path / "m.tar", bytes(1001)))


@pytest.mark.parametrize("name", ["../x", "m/../../x", "/etc/x", "m\\..\\x"])
def test_an_entry_outside_the_folder_is_refused(tmp_path, name):
    path = write_archive(tmp_path / "m.tar", dumps(top({})))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, "x")
    assert "outside" in _refusal(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_that_is_there_twice_is_refused(tmp_path):
    path = write_archive(tmp_path / "m.tar", dumps(top({})))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("model/data.pkl", b"N.")
    assert "twice" in _refusal(path)


def _patched(path, at_central, at_local, value):
    """The archive with a 16-bit field of every entry set in both of its headers."""
    data = bytearray(path.read_bytes())
    for mark, field in ((b"PK\x01\x02", at_central), (b"PK\x03\x04", at_local)):
        at = data.find(mark)
        while at >= 0:
            data[at + field : at + field + 2] = struct.pack("<H", value)
            at = data.find(mark, at + 4)
    path.write_bytes(data)
    return path


def test_an_encrypted_entry_is_refused(tmp_path):
    path = _patched(write_archive(tmp_path / "m.tar", dumps(top({}))), 8, 6, 1)
    assert "encrypted" in _refusal(path)


@pytest.mark.parametrize("method", [8, 12, 14, 93, 99])
def test_every_method_of_compression_is_refused(tmp_path, method):
    path = _patched(write_archive(tmp_path / "m.tar", dumps(top({}))), 10, 8, method)
    assert "compressed" in _refusal(path)


def test_entries_that_overlap_are_refused(tmp_path):
    path = write_archive(tmp_path / "m.tar", dumps(top({})), {str(i): bytes(1000) for i in range(3)})
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\x01\x02")
    while at >= 0:  # let every entry claim the whole file
        data[at + 20 : at + 28] = struct.pack("<II", len(data), len(data))
        at = data.find(b"PK\x01\x02", at + 4)
    path.write_bytes(data)
    assert "claim" in _refusal(path)


def test_a_directory_that_would_fill_the_memory_is_refused(tmp_path):
    path = write_archive(tmp_path / "m.tar", dumps(top({})))
    data = bytearray(path.read_bytes())
    data[-10:-6] = struct.pack("<I", 2**32 - 1)
    path.write_bytes(data)
    assert "directory claims" in _refusal(path)


def test_the_interpreter_agrees_with_pickle_on_plain_values():
    for protocol in (2, 3, 4):
        value = {
            "a": [1, -1, 300, 70_000, 2**40, -(2**40), 0.5, None, True, False, "π", (), (1,), (1, 2, 3, 4)]
        }
        value["again"] = value["a"]
        assert loads(pickle.dumps(value, protocol)) == value


VALID = dumps(
    top({"init_conv.bias": tensor(storage("0", 2), (2,))}, ds_args={"D": _array((1,), "f8", "x" * 8)})
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_damage_to_a_pickle_gives_a_value_or_a_clear_error(data):
    content = bytearray(VALID)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    with contextlib.suppress(SpivaeError):
        loads(bytes(content))


OPCODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(OPCODES) | st.binary(max_size=6), max_size=40))
def test_any_sequence_of_opcodes_gives_a_value_or_a_clear_error(pieces):
    with contextlib.suppress(SpivaeError):
        loads(b"\x80\x02" + b"".join(pieces) + b".")


def test_reading_imports_no_unpickler_and_calls_nothing(tmp_path, monkeypatch):
    def forbidden(*args, **kwargs):
        raise AssertionError("an unpickler or evaluator was called")

    path = write_original(tmp_path / "m.tar", small_weights(np.random.default_rng(0)))
    for name in ("load", "loads", "Unpickler", "_Unpickler"):
        monkeypatch.setattr(pickle, name, forbidden)
    monkeypatch.setattr(builtins, "eval", forbidden)
    assert read(path).model_args == SMALL
