"""Native checkpoints come back as they were written, and a failed write costs nothing."""

from __future__ import annotations

import errno
import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch_archives import SMALL, small_weights

from spivae.checkpoint import Checkpoint, TensorInfo, read, read_header, write
from spivae.errors import SpivaeError, WorkFailed

RNG = np.random.default_rng(0)

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)
tables = st.dictionaries(st.text(max_size=10), plain, max_size=4)
arrays = hnp.arrays(
    st.sampled_from(
        [np.float64, np.float32, np.float16, np.int64, np.int32, np.int16, np.int8, np.uint8, np.bool_]
    ),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    elements={"allow_nan": False, "allow_infinity": False},
)


@settings(max_examples=60, deadline=None)
@given(
    weights=st.dictionaries(
        st.text(max_size=30).filter(lambda name: name != "__metadata__"), arrays, max_size=5
    ),
    tables=st.lists(tables, min_size=6, max_size=6),
    words=st.lists(st.text(min_size=1, max_size=20).filter(str.isprintable), min_size=2, max_size=2),
)
def test_everything_comes_back_as_it_was_written(tmp_path_factory, weights, tables, words):
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    given = Checkpoint(
        process=words[0],
        architecture="of-a-plugin",
        model_args=tables[0],
        ds_args=tables[1],
        recipe=tables[2],
        metrics=tables[3],
        history=[tables[4], tables[0]],
        versions=tables[5] or {"spivae": "1"},
        created=words[1],
        weights=weights,
    )
    write(path, given)
    header, back = read_header(path), read(path)
    for found in (header, back):
        assert found.path == str(path)
        assert found.format == "spivae"
        for field in ("process", "architecture", "model_args", "ds_args", "recipe", "metrics", "history"):
            assert getattr(found, field) == getattr(given, field), field
        assert (found.versions, found.created) == (given.versions, given.created)
        assert found.tensors == given.tensors
    assert header.weights is None
    assert list(back.weights) == list(weights)
    for name, array in weights.items():
        assert back.weights[name].dtype == array.dtype
        assert back.weights[name].shape == array.shape
        assert back.weights[name].tobytes() == array.tobytes()


def _checkpoint(**changes):
    return Checkpoint(**{"process": "sbm", "model_args": SMALL, "weights": small_weights(RNG), **changes})


def test_tensors_come_in_the_models_order_and_can_be_written_to(tmp_path):
    weights = small_weights(RNG)
    write(tmp_path / "m", _checkpoint(weights=dict(reversed(weights.items()))))
    found = read(tmp_path / "m")
    assert list(found.weights) == list(weights)
    for name, array in weights.items():
        np.testing.assert_array_equal(found.weights[name], array)
        found.weights[name] += 1


def test_big_endian_and_strided_weights_are_written_as_their_values(tmp_path):
    weights = small_weights(RNG)
    weights["causal.conv.weight"] = weights["causal.conv.weight"].astype(">f4").transpose(1, 0, 2)
    write(tmp_path / "m", _checkpoint(weights=weights))
    np.testing.assert_array_equal(
        read(tmp_path / "m").weights["causal.conv.weight"], weights["causal.conv.weight"]
    )


def test_other_programs_read_the_file_too(tmp_path):
    safetensors = pytest.importorskip("safetensors")
    from safetensors.numpy import load_file

    given = _checkpoint(metrics={"nll": -2.3})
    write(tmp_path / "m.safetensors", given)
    found = load_file(tmp_path / "m.safetensors")
    assert set(found) == set(given.weights)
    for name, array in given.weights.items():
        np.testing.assert_array_equal(found[name], array)
    with safetensors.safe_open(tmp_path / "m.safetensors", "np") as file:
        assert json.loads(file.metadata()["spivae"])["metrics"] == {"nll": -2.3}
    assert int.from_bytes((tmp_path / "m.safetensors").read_bytes()[:8], "little") % 8 == 0


def test_files_of_the_safetensors_library_are_read(tmp_path):
    from safetensors.numpy import save_file

    weights = small_weights(RNG)
    document = json.dumps({"format_version": 1, "model_args": SMALL, "from_the_future": [1]})
    save_file(weights, tmp_path / "m", {"spivae": document})
    found = read(tmp_path / "m")
    assert list(found.weights) == list(weights)
    for name, array in weights.items():
        np.testing.assert_array_equal(found.weights[name], array)


def test_bfloat16_weights_become_float32(tmp_path):
    content = b'{"__metadata__":{"spivae":"{\\"format_version\\":1,\\"architecture\\":\\"x\\"}"},' + (
        b'"a":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]}}'
    )
    values = np.array([1.5, -2.0, 3.140625], np.float32)
    halves = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    (tmp_path / "m").write_bytes(len(content).to_bytes(8, "little") + content + halves)
    found = read(tmp_path / "m")
    assert found.tensors == [TensorInfo("a", (3,), "bfloat16")]
    np.testing.assert_array_equal(found.weights["a"], values)


def test_numpy_values_and_paths_in_arguments_are_written_as_plain_ones(tmp_path):
    write(
        tmp_path / "m",
        _checkpoint(ds_args={"D": np.array([1.0, 2.0]), "n": np.int64(3), "path": tmp_path, "pair": (1, 2)}),
    )
    assert read_header(tmp_path / "m").ds_args == {
        "D": [1.0, 2.0],
        "n": 3,
        "path": str(tmp_path),
        "pair": [1, 2],
    }


def test_the_file_says_when_and_with_what_it_was_made(tmp_path):
    write(tmp_path / "m", _checkpoint())
    found = read_header(tmp_path / "m")
    assert found.created[:2] == "20"
    assert {"spivae", "python", "numpy"} <= set(found.versions)


def test_beta_is_taken_from_the_metrics_first():
    assert Checkpoint(metrics={"beta": 1e-3}, model_args={"beta": 1.0}).beta == 1e-3
    assert Checkpoint(model_args={"beta": 1}).beta == 1.0
    assert Checkpoint().beta is None


def _with_header(path, header, data=b""):
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + data)
    return path


def _tensor(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


META = {"__metadata__": {"spivae": json.dumps({"format_version": 1, "architecture": "x"})}}


@pytest.mark.parametrize(
    ("header", "data", "message"),
    [
        ({"a": _tensor()}, bytes(4), "not a spivae checkpoint"),
        ({"__metadata__": {"spivae": "{"}}, b"", "damaged header"),
        ({"__metadata__": {"spivae": "{}"}}, b"", "format_version"),
        ({"__metadata__": {"spivae": '{"format_version":1,"metrics":3}'}}, b"", r"\$\.metrics"),
        ({"__metadata__": {"spivae": '{"format_version":2}'}}, b"", "later spivae"),
        ({**META, "a": 1}, b"", "damaged header: Expected `object`"),
        ({**META, "a": _tensor("F33")}, bytes(4), "unknown dtype 'F33'"),
        ({**META, "a": _tensor(shape=(-1,))}, bytes(4), "damaged header: Expected"),
        ({**META, "a": _tensor(shape=(1.0,))}, bytes(4), "damaged header: Expected"),
        ({**META, "a": _tensor(shape=(True,))}, bytes(4), "damaged header: Expected"),
        ({**META, "a": _tensor(offsets=(0, 4, 8))}, bytes(4), "damaged header: Expected"),
        ({**META, "a": _tensor(shape=(2,))}, bytes(4), "bytes that its shape needs"),
        ({**META, "a": _tensor(shape=(2**40, 2**40))}, bytes(4), "bytes that its shape needs"),
        ({**META, "a": _tensor(offsets=(4, 8))}, bytes(8), "gap"),
        ({**META, "a": _tensor(), "b": _tensor()}, bytes(4), "overlaps"),
        ({**META, "a": _tensor()}, bytes(3), "cut short"),
        ({**META, "a": _tensor()}, bytes(5), "need 4 bytes, the file has 5"),
        ({**META, "a": _tensor(shape=(1,) * 40)}, bytes(4), "bytes that its shape needs"),
        ({"__metadata__": {"shape": "x"}}, b"", "damaged header"),
        ([], b"", "neither a spivae"),
        (b'{"a":' * 5000, b"", "damaged header"),
        (b'{"\xff":1}', b"", "damaged header"),
    ],
)
def test_a_wrong_header_is_refused_with_its_reason(tmp_path, header, data, message):
    path = _with_header(tmp_path / "m", header, data)
    for reader in (read_header, read):
        with pytest.raises(SpivaeError, match=message):
            reader(path)


@pytest.mark.parametrize("length", [100, 2**27, 2**40, 2**64 - 1])
def test_a_header_longer_than_the_file_is_refused(tmp_path, length):
    (tmp_path / "m").write_bytes(length.to_bytes(8, "little") + b"{}" + bytes(20))
    with pytest.raises(SpivaeError, match="claims"):
        read_header(tmp_path / "m")


def test_a_header_past_the_limit_is_refused(tmp_path, monkeypatch):
    from spivae.checkpoint import native

    monkeypatch.setattr(native, "MAX_HEADER", 100)
    with pytest.raises(SpivaeError, match="claims 200 bytes"):
        read_header(_with_header(tmp_path / "m", b"{" + b" " * 199))


def test_weights_that_do_not_fit_the_arguments_are_not_written(tmp_path):
    weights = small_weights(RNG)
    del weights["init_conv.bias"]
    with pytest.raises(SpivaeError, match=r"init_conv\.bias.*missing"):
        write(tmp_path / "m", _checkpoint(weights=weights))
    with pytest.raises(SpivaeError, match="no weights to write"):
        write(tmp_path / "m", _checkpoint(weights=None))
    assert not list(tmp_path.iterdir())


def test_arguments_that_json_cannot_hold_are_not_written(tmp_path):
    for value in (object(), "\ud800", {1j: 2}):
        with pytest.raises(SpivaeError, match="do not fit JSON"):
            write(tmp_path / "m", _checkpoint(ds_args={"x": value}))
    with pytest.raises(SpivaeError, match="cannot be stored"):
        write(tmp_path / "m", Checkpoint(architecture="x", weights={"a": np.zeros(2, complex)}))
    assert not list(tmp_path.iterdir())


def test_a_diverged_model_does_not_replace_a_good_one(tmp_path):
    path = tmp_path / "best.safetensors"
    write(path, _checkpoint())
    before = path.read_bytes()
    weights = small_weights(RNG)
    weights["init_conv.bias"][0] = np.nan
    with pytest.raises(WorkFailed, match=r"'init_conv\.bias' are not finite"):
        write(path, _checkpoint(weights=weights))
    assert path.read_bytes() == before


@pytest.mark.parametrize("fails", ["fsync", "replace", "write"])
def test_a_full_disk_leaves_the_old_file_whole(tmp_path, monkeypatch, fails):
    path = tmp_path / "best.safetensors"
    write(path, _checkpoint())
    before = path.read_bytes()

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if fails == "write":
        fdopen = os.fdopen

        class Full:
            """A file on a disk with room for 100 bytes."""

            def __init__(self, descriptor, mode):
                self.file, self.room = fdopen(descriptor, mode), 100

            def __enter__(self):
                return self

            def __exit__(self, *error):
                self.file.close()

            def write(self, data):
                self.room -= len(data)
                return self.file.write(data) if self.room > 0 else full()

        monkeypatch.setattr(os, "fdopen", Full)
    else:
        monkeypatch.setattr(os, fails, full)
    with pytest.raises(WorkFailed, match=r"best\.safetensors: .*No space left") as caught:
        write(path, _checkpoint())
    assert caught.value.exit_code == 1
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_a_missing_folder_is_said_to_be_missing(tmp_path):
    with pytest.raises(WorkFailed, match="cannot be written"):
        write(tmp_path / "nowhere" / "m.safetensors", _checkpoint())
