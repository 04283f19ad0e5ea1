"""The job script: a few lines of #SBATCH, and one command."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from spivae.errors import SpivaeError
from spivae.slurm.commands import SlurmError, call
from spivae.slurm.options import Options, declared

WARNING_SECONDS = 60  # before the time is up, and Slurm may be a minute early
_IGNORING = "trap '' USR1"  # until the trainer heeds the warning, which would end it in its first moment
_IGNORED_TOO = "sh -c " + shlex.quote(f'{_IGNORING}; exec "$@"') + " sh"  # by what srun starts
_LEAVE_SECONDS = 60  # after the command has ended on one node, for it to end on the others
# where the nodes meet: below the ports that Linux gives to outgoing connections, another one for each job
_FIRST_PORT, _PORTS = 20_000, 12_000
# what a training on this machine would have in its environment; a site may keep jobs from inheriting it
_PASSED_ON = ("SPIVAE_PLUGINS", "SPIVAE_STRICT_PLUGINS", "XDG_CONFIG_HOME")


class Array(NamedTuple):
    """The tasks of an array: their numbers, and how many may run at once (0: as many as there is room)."""

    tasks: Sequence[int]
    at_once: int = 0

    def __str__(self) -> str:
        """As sbatch reads it: 1-4,7%2."""
        parts: list[list[int]] = []
        for task in sorted(self.tasks):
            if parts and task == parts[-1][-1] + 1:
                parts[-1][1:] = [task]
            else:
                parts.append([task])
        text = ",".join("-".join(map(str, part)) for part in parts)
        return f"{text}%{self.at_once}" if self.at_once else text


def job_script(
    options: Options,
    name: str,
    log: str,
    command: Sequence[str],
    cpus: int,
    array: Array | None = None,
    nodes: int = 1,
) -> str:
    """The script of a job that runs `command` and appends what it prints to `log`.

    `log` is a pattern of Slurm's, see `literal`. The command takes the place of the shell, so that signals
    reach it; Slurm's warning is ignored until the command heeds it. On several nodes it runs once on each,
    with `--rdzv-endpoint HOST:PORT` added, where they meet; there srun takes the place of the shell, and
    hands signals on. `cpus`, memory and GPUs are those of a node. Raises SpivaeError where a path cannot be
    written into a script.
    """
    lines = [("job-name", name), ("output", log), ("open-mode", "append")]
    if array is not None:
        lines.append(("array", str(array)))
    if nodes > 1:
        lines += [("nodes", str(nodes)), ("ntasks-per-node", "1")]
    asked = {one.sbatch: getattr(options, one.name) for one in declared() if one.sbatch}
    asked["cpus-per-task"] = cpus
    if nodes > 1:
        asked["gpus-per-node"] = asked.pop("gpus")
    lines += [(key, str(value)) for key, value in asked.items() if value is not None]
    lines += [("requeue" if options.requeue else "no-requeue", ""), ("signal", f"B:USR1@{WARNING_SECONDS}")]
    text = ["#!/bin/bash"]
    text += [f"#SBATCH --{key}" + (f"={_quoted(value)}" if value else "") for key, value in lines]
    text += [f"#SBATCH {option}" for option in options.sbatch]
    text += [_IGNORING, "export NO_COLOR=1 PYTHONSAFEPATH=1"]
    text += [f"export {key}={shlex.quote(os.environ[key])}" for key in _PASSED_ON if os.environ.get(key)]
    text += [*options.setup]
    if nodes > 1:
        text += [
            'host=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',
            f'endpoint="$host:$(({_FIRST_PORT} + SLURM_JOB_ID % {_PORTS}))"',
            # srun does not take --cpus-per-task from the job; who has lost one of the others waits for it
            f"exec srun --cpus-per-task={cpus} --kill-on-bad-exit=0 --wait={_LEAVE_SECONDS} \\\n"
            f'    {_IGNORED_TOO} {shlex.join(command)} --rdzv-endpoint "$endpoint"',
        ]
    else:
        text += [f"exec {shlex.join(command)}"]
    return "".join(f"{line}\n" for line in text)


def literal(path: Path) -> str:
    """A path as a pattern of Slurm's that stands for this very path."""
    return str(path).replace("\\", "\\\\").replace("%", "%%")


def _quoted(value: str) -> str:
    """A value as lines of #SBATCH may have it."""
    if "\n" in value or "\r" in value:
        raise SpivaeError(f"{value!r}: has a line break, which a job script cannot have; choose another")
    if re.fullmatch(r"[\w./:@%+,=-]+", value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def submit_held(path: Path) -> tuple[str, str]:
    """Hand the script in a file to Slurm, which holds it; the job's number, and its cluster or "".

    Options in the script win over those in the user's environment. Raises SlurmError.
    """
    keys = re.findall(r"^#SBATCH --([a-z-]+)", path.read_text(), re.MULTILINE)
    names = ["SBATCH_" + key.upper().replace("-", "_") for key in keys]
    names += ["SBATCH_TIMELIMIT"] * ("time" in keys) + ["SBATCH_MEM_"] * ("mem" in keys)
    names += ["SBATCH_WAIT", "SBATCH_ARRAY_INX", "SBATCH_NO_REQUEUE", "SBATCH_REQUEUE", "SBATCH_TEST_ONLY"]
    said = call("sbatch", "--parsable", "--hold", str(path), without=names)
    # on several clusters, `number;cluster`; a site's own remarks may stand before it
    number, _, cluster = said.strip().rpartition("\n")[2].partition(";")
    if not number.isdecimal():
        raise SlurmError(f"sbatch: answered {said.strip()[:80]!r}, which is no number of a job")
    return number, cluster


def release(number: str) -> None:
    """Let a job begin that was held. Raises SlurmError."""
    call("scontrol", "release", number)


def cancel(*numbers: str, kill: bool = False) -> None:
    """End jobs: SIGTERM, and SIGKILL some time later; or SIGKILL now. Raises SlurmError."""
    # without --batch, even this signal begins with SIGTERM
    call("scancel", *(["--batch", "--signal=KILL"] if kill else []), *numbers)
