"""A connection that is lost costs nothing: a real sshd on loopback, and a client that is killed."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spivae.checkpoint import read_header
from spivae.training.run import Run, list_runs
from tests.commands import wait_for

LONG = ("--set", "training.phase.1.epochs=5000", "--set", "training.checkpoint_every=5")
SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile {folder}/pid
AuthorizedKeysFile {folder}/user.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
"""


@pytest.fixture(scope="module")
def connect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Run a command in a terminal of an SSH session; gives the client."""
    if SSHD is None or shutil.which("ssh") is None or os.geteuid() != 0:
        assert "CI" not in os.environ, "CI must have sshd, and root to start it"
        pytest.skip("needs openssh-server, openssh-client and root")
    folder = tmp_path_factory.mktemp("ssh")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name in ("host", "user"):
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(keygen, check=True)
    config = folder / "sshd_config"
    config.write_text(CONFIG.format(port=port, folder=folder))
    Path("/run/sshd").mkdir(exist_ok=True)
    subprocess.run([SSHD, "-f", config, "-E", folder / "log"], check=True)
    wait_for((folder / "pid").exists)
    client = ["ssh", "-q", "-F", "/dev/null", "-p", str(port), "-i", str(folder / "user")]
    for option in ("IdentitiesOnly=yes", "StrictHostKeyChecking=no", f"UserKnownHostsFile={folder}/known"):
        client += ["-o", option]

    def connected(*arguments: object) -> subprocess.Popen[str]:
        words = ["OMP_NUM_THREADS=1", sys.executable, "-m", "spivae", *map(str, arguments)]
        command = [*client, "-tt", "127.0.0.1", "env", *map(shlex.quote, words)]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    yield connected
    os.kill(int((folder / "pid").read_text()), signal.SIGTERM)


def run_in(folder: Path) -> Run:
    """The one run that appears in a folder."""
    wait_for(lambda: any(list_runs(folder)))
    return next(list_runs(folder))


def test_a_detached_run_outlives_the_connection(
    connect: Callable[..., subprocess.Popen[str]], tiny_recipe: Path, tmp_path: Path
):
    arguments = (*LONG, "--run-dir", tmp_path)
    client = connect("train", tiny_recipe, *arguments, "--detach")
    out, _ = client.communicate(timeout=90)
    run = run_in(tmp_path)
    assert out.strip() == run.id
    # then one watches it, and the connection is lost
    client = connect("watch", run.path)
    wait_for(lambda: run.metrics_path.exists() and run.metrics_path.stat().st_size)
    client.kill()
    client.communicate()
    size = run.metrics_path.stat().st_size
    wait_for(lambda: run.metrics_path.stat().st_size > size + 2000)
    assert Run.open(run.path).state() == "running"
    # a new connection finds it and ends it
    out, _ = connect("stop", run.id, "--run-dir", tmp_path, "--wait", 60).communicate(timeout=90)
    assert out.strip() == f"{run.id}: stopped"


def test_a_run_in_the_foreground_saves_when_the_connection_is_lost(
    connect: Callable[..., subprocess.Popen[str]], tiny_recipe: Path, tmp_path: Path
):
    client = connect("train", tiny_recipe, *LONG, "--run-dir", tmp_path)
    run = run_in(tmp_path)
    wait_for(run.state_path.exists)
    client.kill()
    client.communicate()
    wait_for(lambda: Run.open(run.path).state() == "stopped")
    assert read_header(run.checkpoint_folder / "stopped.safetensors").process == "sbm"
    assert run.state_path.exists()
