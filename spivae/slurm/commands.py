"""Calling Slurm's programs, with a limit of time and errors in one line."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Sequence

from spivae.errors import WorkFailed

# where there is no slurm.conf, nor a server that hands it out
_UNCONFIGURED = re.compile(r"configuration source|s_p_parse_file|process configuration file", re.IGNORECASE)


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
    except subprocess.TimeoutExpired as error:
        said = _complaints(program, error.stderr or b"")
        _check_configured(program, said)
        why = f" ({said[-1]})" if said else ""
        raise SlurmError(f"{program}: has not answered within {seconds:g} s{why}; try again later") from None
    except OSError as error:
        raise SlurmError(f"{program}: cannot be run ({error.strerror})") from None
    if done.returncode:
        said = _complaints(program, done.stderr)
        _check_configured(program, said)
        raise SlurmError(f"{program}: {'; '.join(said) or f'failed with exit code {done.returncode}'}")
    return done.stdout.decode("utf-8", "replace")


def _complaints(program: str, stderr: bytes) -> list[str]:
    """What it says is wrong, without its own name before every line."""
    lines = [
        re.sub(rf"^{program}: ((error|fatal): )?", "", line)
        for line in stderr.decode("utf-8", "replace").splitlines()
    ]
    return [line for line in lines if line]


def _check_configured(program: str, said: Sequence[str]) -> None:
    """Raise SlurmError where a program complains that it finds no slurm.conf."""
    if not any(_UNCONFIGURED.search(line) for line in said):
        return
    named = os.environ.get("SLURM_CONF")
    where = f"in SLURM_CONF={named}" if named else "on this machine"
    raise SlurmError(
        f"{program}: finds no configuration of Slurm {where} ({said[-1]}); go to a login node of the "
        "cluster, or let SLURM_CONF name its slurm.conf"
    )
