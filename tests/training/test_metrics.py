"""metrics.jsonl: written a record at a time, followed by viewers through every accident."""

from __future__ import annotations

import json
import math
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spivae.errors import WorkFailed
from spivae.training.metrics import MetricsReader, MetricsWriter


def write(path: Path, *records: dict) -> None:
    writer = MetricsWriter(path)
    for record in records:
        writer.write(record)
    writer.close()


def test_a_reader_sees_each_record_once(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    reader = MetricsReader(path)
    assert reader.poll() == []
    write(path, {"step": 1}, {"step": 2})
    assert reader.poll() == [{"step": 1}, {"step": 2}]
    assert reader.poll() == []
    write(path, {"step": 3})
    assert reader.poll() == [{"step": 3}]


def test_numbers_that_are_not_finite_become_null_and_are_marked(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write(path, {"step": 1, "loss": math.nan, "kl": [1.0, math.inf]})
    assert MetricsReader(path).poll() == [{"step": 1, "loss": None, "kl": [1.0, None], "diverged": True}]


def test_a_torn_last_line_waits_and_a_torn_middle_line_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    reader = MetricsReader(path)
    path.write_bytes(b'{"step": 1}\n{"step": 2, "lo')
    assert reader.poll() == [{"step": 1}]
    assert reader.poll() == []
    write(path, {"step": 3})  # a resumed trainer ends the torn line first
    assert reader.poll() == [{"step": 3}]


def test_a_file_that_shrank_or_was_replaced_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    reader = MetricsReader(path)
    write(path, {"step": 1}, {"step": 2})
    reader.poll()
    path.write_bytes(b'{"step": 9}\n')
    assert reader.poll() == [{"step": 9}]
    other = tmp_path / "other"
    write(other, *({"step": k} for k in range(5)))
    os.replace(other, path)
    assert len(reader.poll()) == 5


@settings(max_examples=50, deadline=None)
@given(cuts=st.lists(st.integers(0, 400), max_size=6))
def test_records_arrive_once_and_whole_however_the_bytes_arrive(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    path = tmp_path_factory.mktemp("pieces") / "metrics.jsonl"
    records = [{"step": k, "kl": [0.5 * k, 1.5]} for k in range(12)]
    data = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    reader, found = MetricsReader(path), []
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, stop in pairwise(bounds):
        with open(path, "ab") as file:
            file.write(data[start:stop])
        found += reader.poll()
    assert found == records


def test_a_full_disk_is_told_with_the_files_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = MetricsWriter(tmp_path / "metrics.jsonl")

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("spivae.training.metrics.os.write", full)
    with pytest.raises(WorkFailed, match=r"metrics\.jsonl: cannot be written \(No space left on device\)"):
        writer.write({"step": 1})
