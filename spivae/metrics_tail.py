"""What the end of metrics.jsonl tells of a run, for lists that have no time for the rest."""

from __future__ import annotations

import os
from typing import Any, BinaryIO

import msgspec

BLOCK = 2**17  # bytes that are read at first: some hundred steps' worth of lines
MOST = 2**22  # bytes at the end in which the last epoch is looked for: some ten thousand steps
_STEP, _EPOCH = b'"kind":"step"', b'"kind":"epoch"'
_COPIED = ("nll", "neg_elbo", "surviving", "epoch", "step", "beta")

_record = msgspec.json.Decoder(dict[str, Any])


def read_end(file: BinaryIO) -> bytes:
    """The end of metrics.jsonl with the last epoch's record, or about `MOST` bytes of it."""
    begin, tail = file.seek(0, os.SEEK_END), b""
    while begin and len(tail) < MOST and not _last_record(tail, _EPOCH):
        end, begin = begin, max(0, begin - max(BLOCK, len(tail)))
        file.seek(begin)
        tail = file.read(end - begin) + tail
    return tail


def last_epoch(tail: bytes) -> dict[str, Any]:
    """A run's metrics from the end of metrics.jsonl: the last epoch's, with what the last step says.

    The keys are those of a checkpoint's metrics, and `diverged` where the last step's loss was no number.
    """
    epoch = _last_record(tail, _EPOCH)
    kl = epoch.get("kl")
    found: dict[str, Any] = {key: epoch[key] for key in _COPIED if key in epoch}
    if isinstance(kl, list):
        found["kl_latents"] = kl
        found["kl"] = None if None in kl else sum(kl)
    step = _last_record(tail, _STEP)
    for key in ("epoch", "step", "beta", "diverged"):
        if key in step:
            found[key] = step[key]
    return found


def seconds_left(tail: bytes, steps: int) -> float | None:
    """Seconds until step `steps`, at the pace of the newest attempt's steps in the end of metrics.jsonl."""
    last = _last_record(tail, _STEP)
    first = _first_step(tail, last.get("attempt"))
    try:
        done, took = last["step"] - first["step"], last["seconds"] - first["seconds"]
        left = max(0, steps - last["step"])
    except (KeyError, TypeError):
        return None
    return left * took / done if done > 0 and took > 0 else None


def _first_step(tail: bytes, attempt: object) -> dict[str, Any]:
    """The first step that is there, of an attempt if it has a number."""
    at = tail.find(b'"attempt":%d' % attempt) if isinstance(attempt, int) else 0
    begin = tail.rfind(b"\n", 0, max(0, at)) + 1
    while (end := tail.find(b"\n", begin)) >= 0:
        if _STEP in (line := tail[begin:end]) and (record := _decoded(line)) is not None:
            return record
        begin = end + 1
    return {}


def _last_record(tail: bytes, mark: bytes) -> dict[str, Any]:
    """The last whole line that holds `mark`, decoded; empty where there is none."""
    end = len(tail)
    while (at := tail.rfind(mark, 0, end)) >= 0:
        first, last = tail.rfind(b"\n", 0, at) + 1, tail.find(b"\n", at)
        if last >= 0 and (record := _decoded(tail[first:last])) is not None:
            return record
        end = first
    return {}


def _decoded(line: bytes) -> dict[str, Any] | None:
    """A record; None for a line that a killed trainer left torn, or that is not here from its beginning."""
    try:
        return _record.decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
