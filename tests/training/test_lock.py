"""The lock of a run: one trainer at a time, freed by death, on this host and across hosts."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import msgspec
import pytest

from spivae import liveness
from spivae.catalog import scan
from spivae.liveness import STALE_SECONDS, heartbeat_age, process_start, this_host
from spivae.slurm import queue as queues
from spivae.slurm.commands import SlurmError
from spivae.slurm.job import Job
from spivae.slurm.queue import Answer, Queue
from spivae.training.lock import Lock, Locked, Owner, read_owner
from spivae.training.recipe import Recipe
from spivae.training.run import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path, Recipe())


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """Another process of this host."""
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def held_by(run: Run, owner: Owner, age: float = 0.0) -> None:
    run.lock_path.write_bytes(msgspec.json.encode(owner))
    then = time.time() - age
    os.utime(run.lock_path, (then, then))


def test_a_lock_names_its_owner_and_leaves_nothing(run: Run):
    with Lock.take(run):
        assert read_owner(run.lock_path) == Owner.of(os.getpid())
    assert not run.lock_path.exists()


def test_a_living_owner_keeps_others_out(run: Run, sleeper: subprocess.Popen[bytes]):
    held_by(run, Owner.of(sleeper.pid), age=10 * STALE_SECONDS)  # here, the process counts and no heartbeat
    with pytest.raises(Locked, match=rf"is trained by process {sleeper.pid} on .*; `spivae stop {run.id}`"):
        Lock.take(run, force=True)
    assert read_owner(run.lock_path) == Owner.of(sleeper.pid)


def test_a_dead_owner_frees_the_lock_at_once(run: Run, sleeper: subprocess.Popen[bytes]):
    held_by(run, Owner.of(sleeper.pid))
    sleeper.kill()
    sleeper.wait()
    with Lock.take(run):
        assert read_owner(run.lock_path) == Owner.of(os.getpid())


@pytest.mark.parametrize("has_proc", [sys.platform.startswith("linux"), False])
def test_a_recycled_pid_is_not_taken_for_the_owner(
    run: Run, sleeper: subprocess.Popen[bytes], has_proc: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("spivae.liveness._HAS_PROC", has_proc)
    held_by(run, Owner.of(sleeper.pid))
    with pytest.raises(Locked, match=f"process {sleeper.pid} on"):
        Lock.take(run)
    started = process_start(sleeper.pid)
    assert started is not None
    held_by(run, Owner(Owner.of(1).host, sleeper.pid, started - 1))
    with Lock.take(run):
        pass


def test_an_owner_on_another_host_is_believed_while_it_beats(run: Run):
    held_by(run, Owner("node07", 4242), age=STALE_SECONDS / 2)
    for force in (False, True):
        with pytest.raises(Locked, match="process 4242 on node07; `spivae stop"):
            Lock.take(run, force=force)


def test_a_silent_owner_on_another_host_is_overruled_by_force_alone(run: Run):
    held_by(run, Owner("node07", 4242), age=600)
    with pytest.raises(Locked, match=r"node07, which has shown no sign of life for 10 min; .* add --force"):
        Lock.take(run)
    with Lock.take(run, force=True):
        assert read_owner(run.lock_path) == Owner.of(os.getpid())


def test_a_container_of_the_same_name_is_believed_while_it_beats_and_needs_no_force_then(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    name = this_host().partition("/")[0]
    held_by(run, Owner(f"{name}/17", os.getpid(), process_start(os.getpid())), age=STALE_SECONDS / 2)
    with pytest.raises(Locked, match=f"is trained by process {os.getpid()} on {name}/17; `spivae stop"):
        Lock.take(run, force=True)
    run.info.state, run.info.host, run.info.pid = "running", f"{name}/17", 2**22 + 1
    assert run.state() == "running"
    monkeypatch.setattr(liveness, "_beats", {})
    held_by(run, Owner(f"{name}/17", 4242), age=2 * STALE_SECONDS)
    assert run.state() == "lost"
    Lock.take(run).release()


def test_only_a_container_has_the_number_of_its_processes_in_its_name(monkeypatch: pytest.MonkeyPatch):
    space = os.stat("/proc/self/ns/pid").st_ino
    monkeypatch.setattr(liveness, "_SPACE_OF_MACHINES", space)
    name = this_host()
    assert "/" not in name
    monkeypatch.setattr(liveness, "_SPACE_OF_MACHINES", space + 1)
    assert this_host() == f"{name}/{space}"


def test_a_clock_that_is_ahead_lets_nobody_overrule_a_trainer_that_beats(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    real = time.time
    held_by(run, Owner("node07", 4242))
    monkeypatch.setattr(time, "time", lambda: real() + 10 * STALE_SECONDS)
    with pytest.raises(Locked, match="process 4242 on node07; `spivae stop"):
        Lock.take(run, force=True)


def test_a_clock_that_was_set_back_makes_nobody_silent(run: Run):
    held_by(run, Owner("node07", 4242), age=-86400)
    run.note_process(4242)
    run.info.host, run.info.state = "node07", "running"
    run.save()
    assert run.state() == "running"
    with pytest.raises(Locked, match="stop"):
        Lock.take(run, force=True)


def test_a_silent_run_of_another_host_is_lost(run: Run, monkeypatch: pytest.MonkeyPatch):
    run.claim(threads=1, device="cpu")
    run.info.host = "node07"
    run.save()
    for age, state in ((5.0, "running"), (600.0, "lost")):
        monkeypatch.setattr("spivae.liveness._beats", {})  # as a viewer that has just begun
        held_by(run, Owner("node07", 4242), age=age)
        assert Run.open(run.path).state() == state
        assert next(iter(scan([run.path]))).state == state


@pytest.mark.parametrize("skew", [-600.0, 600.0])
def test_a_list_on_a_host_whose_clock_is_wrong_knows_the_living_from_the_lost(
    run: Run, skew: float, monkeypatch: pytest.MonkeyPatch
):
    real = time.time
    run.claim(threads=1, device="cpu")
    run.info.host = "node07"
    run.save()
    held_by(run, Owner("node07", 4242))
    before = sorted(run.path.iterdir())
    monkeypatch.setattr(time, "time", lambda: real() + skew)
    for age, state in ((0.0, "running"), (2 * STALE_SECONDS, "lost")):
        os.utime(run.lock_path, (real() - age, real() - age))
        monkeypatch.setattr("spivae.liveness._beats", {})
        assert next(iter(scan([run.path]))).state == state
    assert sorted(run.path.iterdir()) == before  # asking the file system leaves nothing


def test_in_a_folder_of_others_the_clock_of_this_host_must_do(run: Run, monkeypatch: pytest.MonkeyPatch):
    def refuse(**options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    held_by(run, Owner("node07", 4242), age=600)
    assert heartbeat_age(run.lock_path) == pytest.approx(600, abs=5)


@pytest.mark.parametrize("skew", [-86400.0, 86400.0])
def test_to_a_viewer_clocks_that_jump_or_differ_make_nobody_lost(
    run: Run, skew: float, monkeypatch: pytest.MonkeyPatch
):
    real, clock = time.time, time.monotonic
    held_by(run, Owner("node07", 4242))
    assert heartbeat_age(run.lock_path) == pytest.approx(0.0, abs=5)
    monkeypatch.setattr(time, "time", lambda: real() + skew)
    assert heartbeat_age(run.lock_path) == pytest.approx(0.0, abs=5)
    held_by(run, Owner("node07", 4242), age=3 * 86400)  # touched by a host whose clock is days behind
    assert heartbeat_age(run.lock_path) == pytest.approx(0.0, abs=5)
    monkeypatch.setattr(time, "monotonic", lambda: clock() + 600)
    assert heartbeat_age(run.lock_path) == pytest.approx(600.0, abs=5)  # not touched for ten minutes


@pytest.mark.parametrize("ahead", [-86400, 0, 86400])
def test_a_lock_without_an_owner_is_waited_for_and_then_taken(
    run: Run, ahead: int, monkeypatch: pytest.MonkeyPatch
):
    run.lock_path.touch()  # somebody died between making it and writing into it, by whatever clock
    touched = time.time() + ahead
    os.utime(run.lock_path, (touched, touched))
    monkeypatch.setattr("spivae.training.lock._TORN_SECONDS", 0.1)
    begin = time.monotonic()
    with Lock.take(run):
        assert time.monotonic() - begin > 0.05


def test_a_beat_shows_life_and_notices_who_took_over(run: Run):
    with Lock.take(run) as lock:
        os.utime(run.lock_path, (0, 0))
        lock.beat()
        assert time.time() - run.lock_path.stat().st_mtime < 60
        assert lock.lost is None
        held_by(run, Owner("node07", 4242))
        lock.beat()
        assert lock.lost == f"{run.path}: process 4242 on node07 has taken over this training"
    assert read_owner(run.lock_path) == Owner("node07", 4242)  # it is not ours to remove


def test_a_beat_notices_that_the_run_is_gone(run: Run):
    with Lock.take(run) as lock:
        run.lock_path.unlink()
        lock.beat()
        assert str(lock.lost).endswith("its LOCK was deleted while it was trained")
        shutil.rmtree(run.path)
        lock.beat()
        assert str(lock.lost).endswith("its folder was deleted while it was trained")


def test_beats_come_by_themselves(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("spivae.training.lock.BEAT_SECONDS", 0.01)
    with Lock.take(run) as lock:
        os.utime(run.lock_path, (0, 0))
        lock.keep_beating()
        end = time.monotonic() + 60
        while run.lock_path.stat().st_mtime == 0 and time.monotonic() < end:
            time.sleep(0.01)
        assert run.lock_path.stat().st_mtime > 0


def test_who_fails_while_it_trains_hears_why_though_the_lock_cannot_be_removed(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    lock = Lock.take(run)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(ZeroDivisionError), lock:
        _ = 1 / 0


def nfs(file: int, operation: int) -> None:
    """As flock there: a lock of a range of bytes, which a file that is only read may not have."""
    if fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "Bad file descriptor")


def lustre(file: int, operation: int) -> None:
    raise OSError(errno.ENOSYS, "Function not implemented")


@pytest.mark.parametrize("flock", [nfs, lustre])
def test_a_lock_is_handed_over_and_freed_where_the_file_system_has_no_locks(
    run: Run,
    sleeper: subprocess.Popen[bytes],
    flock: Callable[[int, int], None],
    monkeypatch: pytest.MonkeyPatch,
):
    for name in ("flock", "lockf"):
        monkeypatch.setattr(fcntl, name, flock)
    Lock(run.lock_path).give(os.getpid())
    Lock.take(run).release()
    held_by(run, Owner.of(sleeper.pid))
    sleeper.kill()
    sleeper.wait()
    with Lock.take(run):
        assert read_owner(run.lock_path) == Owner.of(os.getpid())


def test_who_comes_late_leaves_the_lock_to_who_has_taken_it_over(run: Run):
    held_by(run, Owner("node07", 4242), age=600)
    late = Lock(run.lock_path)
    seen = late._look(run.lock_path)
    assert seen is not None
    held_by(run, Owner("node08", 17))
    before = sorted(run.path.iterdir())
    assert not late._replace(seen)
    assert read_owner(run.lock_path) == Owner("node08", 17)
    assert sorted(run.path.iterdir()) == before


@pytest.mark.parametrize("left", [0, 2])  # claims of those who died while they took it over
def test_of_many_that_free_a_dead_lock_at_once_one_gets_it(
    run: Run, sleeper: subprocess.Popen[bytes], left: int
):
    held_by(run, Owner.of(sleeper.pid))
    for number in range(left):
        run.lock_path.with_name(f"LOCK.{number}").touch()
    sleeper.kill()
    sleeper.wait()
    program = (
        "import sys\n"
        "from spivae.training import lock\n"
        "from spivae.training.lock import Lock, Locked\n"
        "lock._TORN_SECONDS = 0.2\n"
        "from spivae.training.run import Run\n"
        "run = Run.open(sys.argv[1]); print('ready', flush=True); sys.stdin.readline()\n"
        "try: Lock.take(run)\n"
        "except Locked: print('refused', flush=True)\n"
        "else: print('taken', flush=True)\n"
        "sys.stdin.readline()\n"
    )
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(run.path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    try:
        assert [rival.stdout.readline() for rival in rivals] == ["ready\n"] * 4
        for rival in rivals:
            rival.stdin.write("go\n")
            rival.stdin.flush()
        said = sorted(rival.stdout.readline().strip() for rival in rivals)
    finally:
        for rival in rivals:
            rival.kill()
            rival.communicate()
    assert said == ["refused"] * 3 + ["taken"]
    assert [path.name for path in run.path.glob("LOCK*")] == ["LOCK"]


def test_a_lock_that_was_given_is_the_other_process_s(run: Run, sleeper: subprocess.Popen[bytes]):
    with Lock.take(run) as lock:
        lock.give(sleeper.pid)
    assert read_owner(run.lock_path) == Owner.of(sleeper.pid)


def in_job(monkeypatch: pytest.MonkeyPatch, number: str, restart: int = 0) -> None:
    """Let this process be in a job of Slurm's."""
    monkeypatch.setenv("SLURM_JOB_ID", number)
    monkeypatch.setenv("SLURMD_NODENAME", "node08")
    monkeypatch.setenv("SLURM_RESTART_COUNT", str(restart))


def test_a_job_that_is_begun_again_elsewhere_takes_the_lock_of_its_earlier_turn(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    held_by(run, Owner("node07", 4242, 1, Job("12", os.getuid(), restart=1)))
    for number, restart in (("12", 1), ("12", 0)):  # that very turn may live, and an earlier one is no judge
        in_job(monkeypatch, number, restart)
        monkeypatch.setattr(Owner, "is_over", lambda self: False)
        with pytest.raises(Locked, match="is trained by process 4242 on node07"):
            Lock.take(run)
    in_job(monkeypatch, "12", 2)
    with Lock.take(run):
        assert read_owner(run.lock_path) == Owner.of(os.getpid())
        assert read_owner(run.lock_path).job == Job("12", os.getuid(), restart=2)


@pytest.mark.parametrize(
    ("says", "free"),
    [("CANCELLED", True), ("PENDING", True), (None, True), ("RUNNING", False), ("no answer", False)],
)
def test_a_silent_lock_of_another_host_is_free_once_slurm_says_that_its_job_has_ended(
    run: Run, monkeypatch: pytest.MonkeyPatch, says: str | None, free: bool
):
    def ask(uids: Collection[int]) -> Answer:
        if says == "no answer":
            raise SlurmError("squeue: no answer")
        return {} if says is None else {"12": (says, "None")}

    monkeypatch.setattr(queues, "queue", Queue(ask))
    owner = Owner("node07", 4242, 1, Job("12", os.getuid()))
    held_by(run, owner, age=10)
    why = (
        "no longer runs job 12, but process 4242 on node07 has .* try again in 2 min"
        if free
        else "is trained"
    )
    with pytest.raises(Locked, match=why):
        Lock.take(run)
    monkeypatch.setattr("spivae.liveness._beats", {})
    held_by(run, owner, age=600)
    if free:
        Lock.take(run).release()
    else:
        with pytest.raises(Locked, match="no sign of life for 10 min"):
            Lock.take(run)


@pytest.mark.parametrize("job", [Job("12", os.getuid() + 1), Job("12", os.getuid(), cluster="other")])
def test_a_job_that_is_not_ours_to_see_has_not_ended(run: Run, job: Job, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(queues, "_is_user", lambda uid: True)
    monkeypatch.setattr(queues, "queue", Queue(lambda uids: {}, lambda: "ours"))
    for age in (0, 600):
        held_by(run, Owner("node07", 4242, 1, job), age=age)
        with pytest.raises(Locked, match="is trained by process 4242 on node07"):
            Lock.take(run)
