"""A real Slurm on loopback, for as long as the tests of this folder take: one machine that is two nodes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spivae.slurm import queue as queues
from spivae.slurm.queue import queue
from tests.commands import spivae as spivae
from tests.commands import wait_for

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "sinfo")
CONFIG = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5,socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmctldPort={ports[0]}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait=60
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
NodeName=DEFAULT CPUs={cores} RealMemory=500 State=UNKNOWN
NodeName={host} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]}
NodeName={host}-b NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]}
PartitionName=debug Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=two Nodes=ALL MaxTime=INFINITE State=UP
PartitionName=graceful Nodes={host} MaxTime=INFINITE State=UP GraceTime=60
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=OFF
"""


@pytest.fixture(scope="session")
def slurm() -> Iterator[Path]:
    """Slurm that takes jobs, and its folder; all of it runs nicely and ends with the tests."""
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    found = {name: shutil.which(name, path=places) for name in PROGRAMS}
    missing = [name for name, path in found.items() if path is None]
    if missing or os.geteuid() != 0:
        assert "CI" not in os.environ, f"CI must be root and have Slurm and munge (not there: {missing})"
        pytest.skip(f"needs slurm-wlm, munge and root (not there: {missing})")
    # not pytest's own folder, whose long name a socket cannot have
    with tempfile.TemporaryDirectory(prefix="slurm-") as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        for made in ("munge", "state", "spool"):
            (folder / made).mkdir()
        (folder / "munge").chmod(0o755)
        folder.chmod(0o755)
        key = folder / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        config = folder / "slurm.conf"
        host, cores = socket.gethostname().partition(".")[0], os.cpu_count()
        config.write_text(CONFIG.format(host=host, folder=folder, ports=free_ports(3), cores=cores))
        patch.setenv("SLURM_CONF", str(config))
        try:
            start(
                found["munged"],
                *(
                    "--key-file",
                    key,
                    "--socket",
                    folder / "munge/socket",
                    "--pid-file",
                    folder / "munged.pid",
                ),
                *("--log-file", folder / "munged.log", "--seed-file", folder / "seed", "--force"),
            )
            start(found["slurmctld"], "-c", "-f", config)
            for node in (host, f"{host}-b"):
                start(found["slurmd"], "-N", node, "-f", config)
            wait_for(lambda: set(ask("sinfo", "-h", "-N", "-o", "%T").split()) == {"idle"}, 30)
            yield folder
        finally:
            for program in (f"slurmd-{host}", f"slurmd-{host}-b", "slurmctld", "munged"):
                end(folder / f"{program}.pid")


def start(*command: Any) -> None:
    """A daemon, which goes into the background once it works."""
    subprocess.run(["nice", "-n", "19", *map(str, command)], check=True, capture_output=True, timeout=30)


def end(pid_file: Path) -> None:
    """End a daemon by the file that names it."""
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not Path(f"/proc/{pid}").exists(), 20)


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def ask(*command: str) -> str:
    """What a program of Slurm's prints."""
    return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout


@pytest.fixture(autouse=True)
def no_job_left(slurm: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test that fails leaves no job behind; none waits ten seconds for what Slurm says."""
    monkeypatch.setattr(queues, "KEPT_SECONDS", 0.2)
    queue.forget()
    yield
    if jobs := ask("squeue", "-h", "-o", "%A").split():
        ask("scancel", "--batch", "--signal=KILL", *jobs)
        ask("scancel", *jobs)
        wait_for(lambda: not ask("squeue", "-h", "-o", "%A").split(), 30)
    queue.forget()


@pytest.fixture
def slurm_state(slurm: Path) -> Callable[[str], str]:
    """Slurm's own word for the state of a job."""

    def state(job: str) -> str:
        listed = ask("squeue", "-h", "-r", "--states=all", "-o", "%i %T").splitlines()
        return dict(line.split() for line in listed).get(job, "")

    return state
