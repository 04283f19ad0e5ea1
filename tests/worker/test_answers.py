"""Answers as bytes: what comes back is what went in, or nothing."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spivae.analysis import Result
from spivae.figure.spec import Figure, Heatmap, Line, Panel, Text, encode
from spivae.worker.answers import Answer, Damaged, Unfit, pack, unpack

KEY = "a" * 64
DTYPES = st.one_of(
    hnp.integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    hnp.boolean_dtypes(),
    hnp.complex_number_dtypes(),
    hnp.unicode_string_dtypes(min_len=1),
)
ARRAYS = DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_dims=4)))
SCALARS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIGURE = Figure(
    title="F",
    columns=2,
    panels=(
        Panel(
            title="P",
            marks=(
                Line(x=np.arange(3), y=np.array([0.1, np.nan, np.inf]), label="µ", shade=0.25),
                Heatmap(x_edges=np.arange(3.0), y_edges=np.arange(2.0), values=np.ones((1, 2), np.float32)),
                Text(x=1.0, y=2.0, text="here"),
            ),
        ),
    ),
)


def answer(arrays=None, scalars=None, trajectories=7):
    return Answer(FIGURE, Result(arrays or {}, scalars or {}), "sbm", trajectories)


@given(st.dictionaries(st.text(), ARRAYS, max_size=3), st.dictionaries(st.text(), SCALARS, max_size=3))
def test_an_answer_comes_back_exactly(arrays, scalars):
    before = answer(arrays, scalars)
    after = unpack(KEY, pack(KEY, before))
    assert encode(after.figure) == encode(before.figure)
    assert after.result.arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        found = after.result.arrays[name]
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        assert found.tobytes() == array.tobytes()
    assert after.result.scalars == scalars
    assert (after.process, after.trajectories) == ("sbm", 7)


def test_arrays_in_any_order_and_numpy_scalars_come_back_as_what_they_are_worth():
    turned = np.asfortranarray(np.arange(6.0).reshape(2, 3))[:, ::2]
    scalars = {"kl": [np.float64(0.1), np.float32(0.5)], "n": np.int64(3), "pair": (1, 2), "nan": np.nan}
    found = unpack(KEY, pack(KEY, answer({"turned": turned}, scalars)))
    np.testing.assert_array_equal(found.result.arrays["turned"], turned)
    assert found.result.to_json() == answer({"turned": turned}, scalars).result.to_json()


class Odd:
    """No number and no text."""


@pytest.mark.parametrize(
    ("arrays", "scalars"),
    [
        ({"odd": np.array([Odd()])}, {}),
        ({"masked": np.ma.masked_array([1, 2], [True, False])}, {}),
        ({"table": np.zeros(2, dtype=[("a", float), ("b", int)])}, {}),
        ({"when": np.array(["2026-01-01"], dtype="M8[D]")}, {}),
        ({"list": [1, 2]}, {}),
        ({}, {"odd": Odd()}),
        ({}, {"large": 2**70}),
    ],
)
def test_what_would_not_come_back_is_not_written(arrays, scalars):
    with pytest.raises(Unfit):
        pack(KEY, answer(arrays, scalars))


def test_a_figure_that_could_not_be_read_is_not_written():
    figure = Figure(title=3, panels=())  # nothing checks this when it is made
    with pytest.raises(Unfit):
        pack(KEY, Answer(figure, Result(), "sbm", None))


WHOLE = pack(KEY, answer({"a": np.arange(5)}, {"kl": [0.5, 2.0], "who": "sbm"}))


def test_an_answer_to_another_question_is_refused():
    with pytest.raises(Damaged, match="something else"):
        unpack("b" * 64, WHOLE)


@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=6))
def test_bytes_that_were_changed_are_read_as_an_answer_or_refused(place, changed):
    """The checksum of the folder keeps such away; what reads them must stand them all the same."""
    content = WHOLE[:place] + changed + WHOLE[place + len(changed) :]
    try:
        found = unpack(KEY, content)
    except Damaged:
        return
    assert isinstance(found.figure, Figure)
    assert all(type(array) is np.ndarray for array in found.result.arrays.values())


@given(st.binary() | SCALARS.map(msgspec.msgpack.encode))
def test_bytes_of_anything_else_are_refused(content):
    with pytest.raises(Damaged):
        unpack(KEY, content)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "dtype": st.sampled_from(["<f8", "O", "V9999", "<U0", "M8[ns]", "nonsense", 8, "<f8,<i4"]),
            "shape": st.lists(st.integers(-2, 2**62), max_size=5) | st.just("x"),
            "data": st.binary(max_size=32) | st.none(),
            "more": st.none(),
        },
    )
)
def test_an_array_that_claims_to_be_what_it_is_not_is_refused(claim):
    stored = msgspec.msgpack.decode(WHOLE)
    stored["arrays"]["a"] = claim
    try:
        found = unpack(KEY, msgspec.msgpack.encode(stored)).result.arrays["a"]
    except Damaged:
        return
    assert found.nbytes <= 32
    assert found.dtype.kind in "biufcSU"
