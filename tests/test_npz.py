"""Arrays in files, a few rows at a time."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from spivae import npz
from spivae.npz import Columns, Stored, put


def rows_of(values: np.ndarray) -> list[np.ndarray]:
    file = io.BytesIO()
    np.save(file, values)
    file.seek(0)
    return list(Stored.of(file).parts())


@pytest.mark.parametrize("shape", [(7, 5), (7, 1, 5), (7,), (0, 5), (7, 0)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["<f4", ">f8", "i2"])
def test_rows_are_read_in_parts_as_they_were_written(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], order: str, kind: str
) -> None:
    monkeypatch.setattr(npz, "_READ", 2 * 5 * np.dtype(kind).itemsize)
    values = np.asarray(np.arange(np.prod(shape)).reshape(shape), dtype=kind, order=order)  # type: ignore[call-overload]
    parts = rows_of(values)
    assert_array_equal(np.concatenate(parts), values)
    assert parts[0].dtype == values.dtype
    if shape == (7, 5) and order == "C":
        assert [len(part) for part in parts] == [2, 2, 2, 1]


def test_a_file_that_is_cut_short_and_objects_are_refused() -> None:
    file = io.BytesIO()
    np.save(file, np.zeros((3, 4)))
    with pytest.raises(ValueError, match="cut short"):
        list(Stored.of(io.BytesIO(file.getvalue()[:-1])).parts())
    pickled = io.BytesIO()
    np.save(pickled, np.array([{}]), allow_pickle=True)
    pickled.seek(0)
    with pytest.raises(ValueError, match="objects"):
        Stored.of(pickled)


def test_columns_that_grow_together_become_arrays_of_one_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    a, b, none = rng.random((9, 3)), rng.random((9, 2, 4)).astype(np.float32), np.zeros((9, 0, 4))
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive, Columns(tmp_path) as columns:
        for rows in (slice(0, 4), slice(4, 8), slice(8, 9)):
            columns.add({"a": a[rows], "file": b[rows].transpose(0, 2, 1), "none": none[rows]})
        columns.put(archive)
        put(archive, "names", np.array(["α"]))
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]
    with np.load(tmp_path / "x.npz") as found:
        assert {name: found[name].shape for name in found.files} == {**columns.shapes, "names": (1,)}
        assert_array_equal(found["a"], a)
        assert_array_equal(found["file"], b.transpose(0, 2, 1))
        assert found["file"].dtype == np.float32
        assert found["names"].tolist() == ["α"]
