"""Calling Slurm's programs, with a limit of time and errors in one line."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable

from spivae.errors import WorkFailed


class SlurmError(WorkFailed):
    """A program of Slurm's is not there, does not answer, or refuses."""


def call(program: str, *arguments: str, seconds: float = 30.0, without: Iterable[str] = ()) -> str:
    """What the program prints. Raises SlurmError after so many `seconds`, or where it fails.

    Environment variables whose names begin with one of `without` are kept from it.
    """
    unwanted = tuple(without)
    environment = {
        name: value for name, value in os.environ.items() if not (unwanted and name.startswith(unwanted))
    }
    try:
        done = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            env=environment,
        )
    except FileNotFoundError:
        raise SlurmError(
            f"{program}: not found; a cluster's login nodes have Slurm's commands, perhaps after "
            "`module load slurm`"
        ) from None
    except subprocess.TimeoutExpired:
        raise SlurmError(f"{program}: has not answered within {seconds:g} s; try again later") from None
    except OSError as error:
        raise SlurmError(f"{program}: cannot be run ({error.strerror})") from None
    if done.returncode:
        raise SlurmError(f"{program}: {_complaint(program, done.stderr, done.returncode)}")
    return done.stdout.decode("utf-8", "replace")


def _complaint(program: str, stderr: bytes, code: int) -> str:
    """What it says is wrong, without its own name before every line."""
    lines = [
        re.sub(rf"^{program}: ((error|fatal): )?", "", line)
        for line in stderr.decode("utf-8", "replace").splitlines()
    ]
    return "; ".join(line for line in lines if line) or f"failed with exit code {code}"
