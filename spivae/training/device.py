"""Where a training computes: what can be wished for, and what a machine has of it.

A wish stands in run.json, so that whoever trains a run finds it: a detached process, a job of Slurm's, the
processes that share a batch. What trains it notes there which device that was, which a resumed training takes
again: another one has other bits.
"""

from __future__ import annotations

import re

from spivae.errors import SpivaeError

AUTO = "auto"
_KNOWN = re.compile(r"auto|cpu|cuda(:(0|[1-9]\d{0,3}))?")


def check_device(wish: str, several: bool = False) -> None:
    """Raise SpivaeError for what is no device, or none for `several` processes; torch is not asked."""
    if not _KNOWN.fullmatch(wish):
        raise SpivaeError(f"--device: {wish!r} is not auto, cpu, cuda or cuda:N, as in cuda:1")
    if several and ":" in wish:
        raise SpivaeError(
            f"--device: {wish} is one GPU, which several processes cannot share; cuda gives each its own"
        )


def usable_device(wish: str, *, processes: int = 1, several: bool = False, run: str = "") -> str:
    """What a wish comes to on this machine, "cpu", "cuda" or "cuda:N", for so many `processes` on it.

    With "cuda", each of `several` processes, maybe on other machines too, has a GPU of its own. Raises
    SpivaeError where that cannot be had, and says how a `run` with this id is gone on with.
    """
    check_device(wish, several)
    if wish == "cpu":
        return wish
    import torch

    seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wish == AUTO and not seen:
        return "cpu"
    found = "cuda" if wish == AUTO else wish
    instead = f"take another --device: `spivae resume {run} --device cpu`" if run else "take --device cpu"
    if not seen:
        raise SpivaeError(f"device: {found} is asked for, but torch sees no GPU here; {instead}")
    if int(found.partition(":")[2] or 0) >= seen:
        raise SpivaeError(f"device: {found} is asked for, but the last is cuda:{seen - 1}; {instead}")
    if processes > seen:
        raise SpivaeError(
            f"device: {processes} processes on a machine with {seen} {'GPU' if seen == 1 else 'GPUs'}; "
            f"take at most --nproc {seen}, or --device cpu"
        )
    return found
