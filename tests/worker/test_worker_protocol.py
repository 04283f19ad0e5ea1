"""Frames survive any content, and what is no frame is noticed."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spivae.worker.protocol import MAX_FRAME, BrokenFrame, read_frame, write_frame


@given(st.lists(st.binary(max_size=2000)))
def test_frames_come_out_as_they_went_in(bodies):
    stream = io.BytesIO()
    for body in bodies:
        write_frame(stream, body)
    stream.seek(0)
    assert [read_frame(stream) for _ in bodies] == bodies
    assert read_frame(stream) is None


@given(st.binary(min_size=1, max_size=100), st.data())
def test_a_stream_that_breaks_off_within_a_frame_has_ended(body, data):
    stream = io.BytesIO()
    write_frame(stream, body)
    whole = stream.getvalue()
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert read_frame(io.BytesIO(whole[:cut])) is None


def test_a_length_that_cannot_be_is_refused_before_anything_is_read():
    with pytest.raises(BrokenFrame):
        read_frame(io.BytesIO((MAX_FRAME + 1).to_bytes(4, "big")))
