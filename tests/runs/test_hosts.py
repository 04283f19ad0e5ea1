"""Runs in a folder that several hosts share; the hosts are namespaces of this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spivae.liveness import STALE_SECONDS, this_host
from spivae.training import recipe as recipes
from spivae.training.lock import read_owner
from spivae.training.run import Run
from tests.commands import wait_for

# of the container, if any, in which these tests run
HERE = "".join(this_host().partition("/")[1:])


def on_host(name: str, *command: object) -> list[str]:
    """A command, on a host of this name; it has the pid of the process that is started."""
    shell = ["sh", "-c", 'hostname "$0" && exec "$@"', name]
    return ["unshare", "--uts", *shell, *map(str, command)]


def spivae_on(name: str, *arguments: object) -> subprocess.Popen[str]:
    command = on_host(name, sys.executable, "-m", "spivae", *arguments)
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def resume_on(name: str, run: Run, *flags: str) -> tuple[int, str]:
    """Exit code and complaint of a `resume` that is refused."""
    with spivae_on(name, "resume", run.path, "--threads", 1, *flags) as process:
        return process.wait(60), process.stderr.read()


@pytest.fixture(scope="module", autouse=True)
def hosts() -> None:
    if shutil.which("unshare") is None or shutil.which("hostname") is None:
        assert "CI" not in os.environ, "CI must have unshare and hostname"
        pytest.skip("needs unshare and hostname, as Linux has them")
    done = subprocess.run(on_host("host-a", "hostname"), capture_output=True, text=True)
    if (done.returncode, done.stdout) != (0, "host-a\n"):
        assert "CI" not in os.environ, f"CI must be able to name a host: {done.stderr.strip()}"
        pytest.skip(f"may not make a host of another name: {done.stderr.strip()}")


def test_a_killed_trainer_is_overruled_from_another_host_once_it_is_silent_and_by_one_alone(
    tiny_recipe: Path, tmp_path: Path
):
    recipe = recipes.with_overrides(
        recipes.load(tiny_recipe),
        {"training.phase.1.epochs": "5000", "training.checkpoint_every": "5"},
    )
    run = Run.create(tmp_path, recipe)
    with spivae_on("host-a", "train", "--run", run.path, "--threads", 1) as first:
        try:
            wait_for(run.state_path.exists)
            owner = read_owner(run.lock_path)
            assert owner is not None
            assert (owner.host, owner.pid) == (f"host-a{HERE}", first.pid)
        finally:
            os.kill(first.pid, signal.SIGKILL)

    # host-b cannot see that it is gone
    run.refresh()
    who = f"process {first.pid} on host-a{HERE}"
    assert resume_on("host-b", run) == (
        2,
        f"error: {run.id}: is running ({who}); `spivae stop {run.id}` ends that\n",
    )
    forced = (2, f"error: {run.id}: is trained by {who}; `spivae stop {run.id}` ends that\n")
    assert resume_on("host-b", run, "--force") == forced

    silent = run.lock_path.stat().st_mtime - 5 * STALE_SECONDS
    os.utime(run.lock_path, (silent, silent))
    code, said = resume_on("host-b", run)
    assert code == 2
    assert f"{who}, which has shown no sign of life for 10 min; look there, and if it is gone add" in said

    rivals = {
        name: spivae_on(name, "resume", run.path, "--force", "--threads", 1) for name in ("host-b", "host-c")
    }
    try:
        wait_for(lambda: any(rival.poll() is not None for rival in rivals.values()))
        [loser] = [name for name, rival in rivals.items() if rival.poll() is not None]
        [winner] = rivals.keys() - {loser}
        code, said = rivals[loser].returncode, rivals[loser].stderr.read()
        assert (code, said) == (
            2,
            f"error: {run.id}: is trained by process {rivals[winner].pid} on {winner}{HERE}; "
            f"`spivae stop {run.id}` ends that\n",
        )
        wait_for(lambda: Run.open(run.path).info.resumed_at > 0)
        run.refresh()
        assert (run.info.host, run.info.pid, run.info.attempt) == (f"{winner}{HERE}", rivals[winner].pid, 2)
        run.request_stop()
        assert rivals[winner].wait(60) == 0
        assert Run.open(run.path).state() == "stopped"
        assert not run.lock_path.exists()
    finally:
        for rival in rivals.values():
            rival.kill()
            rival.communicate()


def test_a_container_of_the_same_name_leaves_a_living_trainer_alone(tiny_recipe: Path, tmp_path: Path):
    recipe = recipes.with_overrides(recipes.load(tiny_recipe), {"training.phase.1.epochs": "5000"})
    run = Run.create(tmp_path, recipe)
    inside = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-m", "spivae"]

    def told(*arguments: object) -> tuple[int, str, str]:
        done = subprocess.run([*inside, *map(str, arguments)], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    with spivae_on("host-a", "train", "--run", run.path, "--threads", 1) as trainer:
        try:
            wait_for(lambda: Run.open(run.path).info.steps)
            inside[:0] = on_host("host-a")
            assert '"running"' in told("runs", "--run-dir", tmp_path, "--json")[1]
            for command in (("resume",), ("resume", "--force"), ("rm", "--yes")):
                code, out, said = told(*command, run.path)
                assert (code, out) == (2, ""), command
                assert "`spivae stop " in said
            assert told("stop", run.path)[:2] == (0, f"{run.id}: stopped\n")
            assert trainer.wait(60) == 0
        finally:
            trainer.kill()
            trainer.communicate()
