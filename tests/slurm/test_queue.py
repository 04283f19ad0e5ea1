"""What Slurm says of jobs: asked once for all of them, and never a reason to hang or to fail."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from spivae.liveness import run_state
from spivae.slurm import accounting as accounts
from spivae.slurm import queue as queues
from spivae.slurm.accounting import Accounting
from spivae.slurm.commands import SlurmError
from spivae.slurm.job import Job
from spivae.slurm.queue import Answer, Queue, ask_cluster, describe
from spivae.training.recipe import Recipe
from spivae.training.run import Run
from tests.commands import spivae as spivae

ME = os.getuid()
STATES = {
    "1": ("PENDING", "Priority"),
    "2": ("RUNNING", "None"),
    "3_7": ("TIMEOUT", "None"),
    "4": ("OUT_OF_MEMORY", "OutOfMemory"),
    "5": ("COMPLETING", "None"),
}


class Asked:
    """Stands for squeue, and counts how often it is asked."""

    def __init__(self) -> None:
        self.users: list[set[int]] = []
        self.answer: Answer = dict(STATES)
        self.error: str | None = None

    def __call__(self, uids: Collection[int]) -> Answer:
        self.users.append(set(uids))
        if self.error is not None:
            raise SlurmError(self.error)
        return self.answer


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    found = Asked()
    monkeypatch.setattr(queues, "queue", Queue(found))
    monkeypatch.setattr(accounts, "accounting", Accounting(lambda number: {}))
    return found


def state(noted: str, job: str, age: float | None = 0.0, submitted: float = 0.0) -> str:
    return run_state(noted, "node07", 4242, 1, lambda: age, Job(job, ME, submitted=submitted))


@pytest.mark.parametrize(
    ("noted", "job", "shown"),
    [
        ("queued", "1", "queued"),
        ("running", "1", "queued"),  # preempted, and waiting again
        ("queued", "2", "queued"),  # begun, but its trainer is not there yet
        ("running", "2", "running"),
        ("running", "5", "running"),
        ("running", "3_7", "lost"),
        ("queued", "4", "lost"),
        ("running", "99", "lost"),
        ("stopped", "1", "stopped"),
        ("finished", "99", "finished"),
        ("failed", "2", "failed"),
    ],
)
def test_states_are_slurms_where_the_run_is_not_over(asked: Asked, noted: str, job: str, shown: str):
    assert state(noted, job, age=600.0) == shown


def test_one_question_is_enough_for_many_runs_and_for_some_seconds(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
):
    for job in ("1", "2", "3_7", "98", "99") * 20:
        state("running", job)
    assert len(asked.users) == 1
    monkeypatch.setattr(queues, "KEPT_SECONDS", 0.0)
    queues.queue.forget()
    state("running", "1")
    state("running", "1")
    assert len(asked.users) == 3


def test_what_is_over_asks_nothing(asked: Asked):
    for noted in ("finished", "stopped", "failed"):
        state(noted, "2")
    assert not asked.users


def test_a_job_that_is_younger_than_the_answer_may_only_be_missing_in_it(asked: Asked):
    assert state("queued", "99", None, submitted=time.time()) == "queued"
    assert state("queued", "99", None, submitted=time.time() - 60) == "lost"


def test_a_run_that_beats_is_not_lost_because_its_job_is_missing(asked: Asked):
    assert state("running", "99", age=5.0) == "running"
    assert state("running", "3_7", age=5.0) == "lost"  # which Slurm says in so many words


@pytest.mark.parametrize(
    "job", [Job("99", ME + 1), Job("99", ME, cluster="other"), Job("3_7", ME, cluster="other")]
)
def test_of_jobs_of_other_users_and_clusters_silence_says_nothing(
    asked: Asked, job: Job, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(queues, "queue", Queue(asked, lambda: "ours"))
    monkeypatch.setattr(queues, "_is_user", lambda uid: True)
    assert [run_state("running", "node07", 4242, 1, lambda: age, job) for age in (5.0, 600.0)] == [  # noqa: B023
        "running",
        "lost",
    ]
    assert run_state("queued", "", 0, None, lambda: None, job) == "queued"
    assert describe(job) == f"Slurm job {job.id} (Slurm does not say how it is)"


def test_jobs_of_the_own_cluster_and_those_of_before_it_was_noted_are_known(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
):
    for own in ("ours", ""):  # or one that does not tell its name
        queue = Queue(asked, lambda own=own: own)  # type: ignore[misc]
        for cluster in ("ours", ""):
            assert queue.look(Job("2", ME, cluster=cluster)).phase == "active"
            assert queue.look(Job("99", ME, cluster=cluster)).phase == "ended"


def test_the_cluster_tells_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    program = tmp_path / "scontrol"
    program.write_text(
        "#!/bin/sh\necho 'AccountingStorageType   = none'; echo 'ClusterName             = ours'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask_cluster() == "ours"
    program.unlink()
    assert ask_cluster() == ""
    monkeypatch.setenv("SLURM_CLUSTER_NAME", "of-the-node")
    assert ask_cluster() == "of-the-node"


def test_jobs_of_other_users_are_asked_for_too(asked: Asked, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(queues, "_is_user", lambda uid: uid != 77)
    queues.queue.look(Job("1", ME))
    queues.queue.look(Job("2", ME + 1))
    queues.queue.look(Job("2", ME + 1))
    assert asked.users == [{ME}, {ME, ME + 1}]
    assert queues.queue.look(Job("2", 77)).phase == "unknown"  # squeue would complain of such a user
    assert len(asked.users) == 2


@pytest.mark.parametrize(("age", "shown"), [(5.0, "running"), (600.0, "lost")])
def test_where_slurm_does_not_answer_the_heartbeat_counts(asked: Asked, age: float, shown: str):
    asked.error = "squeue: not found"
    assert state("running", "2", age=age) == shown
    assert state("queued", "1", age=None) == "queued"
    assert queues.queue.problem == "squeue: not found"
    assert queues.queue.look(Job("1", ME), fresh=True).phase == "unknown"
    assert len(asked.users) == 1  # for a minute it is left alone


def test_words_for_people(asked: Asked):
    said = {job: describe(Job(job, ME)) for job in (*STATES, "99")}
    assert said["1"] == "Slurm job 1 waits (Priority)"
    assert said["2"] == "Slurm job 2 has begun"
    assert said["3_7"] == "Slurm job 3_7 ran out of time"
    assert said["4"] == "Slurm job 4 ran out of memory (OutOfMemory)"
    assert said["99"] == "Slurm no longer knows job 99"
    assert describe(Job("99", ME, submitted=time.time())) == "Slurm job 99 (submitted just now)"
    asked.error = "squeue: no answer"
    queues.queue.forget()
    assert describe(Job("1", ME)) == "Slurm job 1 (Slurm does not say how it is)"


@pytest.fixture
def sacct(asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A program that stands for sacct; a file with a line for each time that it is called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(accounts, "accounting", Accounting())

    def made(text: str) -> Path:
        (folder / "sacct").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/called\n{text}\n')
        (folder / "sacct").chmod(0o755)
        return tmp_path / "called"

    return made


@pytest.mark.parametrize(
    ("job", "record", "words"),
    [
        ("90", "90|OUT_OF_MEMORY|0:125", "ran out of memory"),
        ("90", "90|TIMEOUT|0:15", "ran out of time"),
        ("90", "90|NODE_FAIL|1:0", "has lost its node, which failed"),
        ("90", "90|CANCELLED by 0|0:0", "was cancelled (by root)"),
        ("90", "90|CANCELLED by 3999999999|0:0", "was cancelled (by user 3999999999)"),
        ("90", "90|FAILED|1:0", "has failed (exit code 1)"),
        ("90", "90|FAILED|0:9", "has failed (signal 9)"),
        ("90", "90|REVOKED|0:0", "has ended: revoked"),
        ("90_2", "90_1|COMPLETED|0:0\n90_2|PREEMPTED|0:0", "was preempted"),
        ("90_7", "90_2|FAILED|1:0\n90_[4-5,7-8%2]|CANCELLED by 0|0:0", "was cancelled (by root)"),
        ("90_6", "90_[4-5,7-8%2]|CANCELLED by 0|0:0", None),
        ("90", "90|RUNNING|0:0", None),  # the accounting lags behind
        ("90", "", None),
        ("90", "a remark of the site", None),
    ],
)
def test_how_a_forgotten_job_has_ended_is_known_to_the_accounting(
    sacct: Callable[[str], Path], job: str, record: str, words: str | None
):
    sacct(f"cat << END\n{record}\nEND")
    known = f"Slurm job {job} {words}" if words else f"Slurm no longer knows job {job}"
    assert describe(Job(job, ME)) == known


def test_the_accounting_is_asked_once_for_a_job_and_for_all_tasks_of_an_array(
    sacct: Callable[[str], Path], tmp_path: Path, spivae: Callable[..., Any]
):
    called = sacct("echo '90_1|OUT_OF_MEMORY|0:125'; echo '90_2|OUT_OF_MEMORY|0:125'")
    for job in ("90_1", "90_2", "90_3", "2"):
        slurm_run(tmp_path / "runs", job)
    for _ in range(2):
        answer = spivae("runs", "--run-dir", tmp_path / "runs", "--json")
    assert answer.err == ""
    assert {run["job"]: (run["state"], run["error"]) for run in answer.json} == {
        "90_1": ("lost", "Slurm job 90_1 ran out of memory"),
        "90_2": ("lost", "Slurm job 90_2 ran out of memory"),
        "90_3": ("lost", "Slurm no longer knows job 90_3"),
        "2": ("queued", None),
    }
    [line] = called.read_text().splitlines()
    assert "--jobs=90 " in line


@pytest.mark.parametrize(
    "program", ["echo 'Slurm accounting storage is disabled' >&2; exit 1", "exec sleep 600"]
)
def test_without_an_accounting_nobody_waits_and_nothing_is_complained_of(
    sacct: Callable[[str], Path],
    program: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spivae: Callable[..., Any],
):
    sacct(program)
    questions: list[str] = []

    def ask(number: str) -> accounts.Records:
        questions.append(number)
        return accounts.ask_sacct(number)

    monkeypatch.setattr(accounts, "accounting", Accounting(ask))
    monkeypatch.setattr(accounts, "TIMEOUT_SECONDS", 0.2)
    for job in ("90", "91", "92"):
        slurm_run(tmp_path / "runs", job)
    answer = spivae("runs", "--run-dir", tmp_path / "runs", "--json")
    assert (answer.code, answer.err) == (0, "")
    assert {run["error"] for run in answer.json} == {
        f"Slurm no longer knows job {job}" for job in (90, 91, 92)
    }
    assert len(questions) == 1


def test_an_accounting_that_is_slow_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch):
    clock = 0.0
    questions: list[str] = []

    def ask(number: str) -> accounts.Records:
        nonlocal clock
        questions.append(number)
        clock += 2.0
        return {number: ("TIMEOUT", "0:0")}

    monkeypatch.setattr(time, "monotonic", lambda: clock)
    found = Accounting(ask)
    known = [found.look(Job(str(number), ME)) is not None for number in range(6)]
    assert known == [True] * 3 + [False] * 3
    clock += accounts.PAUSE_SECONDS
    assert found.look(Job("5", ME)) == ("TIMEOUT", "0:0")
    assert questions == ["0", "1", "2", "5"]


def test_which_job_a_process_is_in():
    node = {"SLURM_JOB_ID": "12", "SLURMD_NODENAME": "node07", "SLURM_CLUSTER_NAME": "ours"}
    assert Job.of_process(node) == Job("12", ME, cluster="ours")
    assert Job.of_process({"SLURM_JOB_ID": "12"}) is None  # `salloc` on a login node
    assert Job.of_process({}) is None
    array = {"SLURM_ARRAY_JOB_ID": "11", "SLURM_ARRAY_TASK_ID": "4", "SLURM_RESTART_COUNT": "2"}
    assert Job.of_process({**node, **array}) == Job("11_4", ME, restart=2, cluster="ours")


def test_a_job_is_before_its_later_turns_and_not_those_of_another_cluster_s():
    assert Job("12", ME, 0, cluster="ours").is_before(Job("12", ME, 1, cluster="ours"))
    assert Job("12", ME, 0).is_before(Job("12", ME, 1, cluster="ours"))  # of before that was noted
    assert not Job("12", ME, 0, cluster="ours").is_before(Job("12", ME, 1, cluster="other"))


def slurm_run(folder: Path, job: str) -> Run:
    run = Run.create(folder, Recipe())
    run.info.launcher, run.info.job = "slurm", Job(job, ME)
    run.save()
    return run


@pytest.mark.parametrize(
    ("program", "said"),
    [(None, "squeue: not found"), ("exec sleep 600", "has not answered within"), ("exit 1", "exit code 1")],
)
def test_without_squeue_the_list_says_so_in_one_line(
    program: str | None,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spivae: Callable[..., Any],
):
    monkeypatch.setattr(queues, "queue", Queue())
    if program and "sleep" in program:
        monkeypatch.setattr(queues, "TIMEOUT_SECONDS", 0.2)
    places = [os.path.dirname(path) for path in ("/usr/bin/env", "/bin/sh")] if program else []
    folder = tmp_path / "bin"
    folder.mkdir()
    if program:
        (folder / "squeue").write_text(f"#!/bin/sh\n{program}\n")
        (folder / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), *places]))
    runs = [slurm_run(tmp_path / "runs", str(job)) for job in range(3)]
    answer = spivae("runs", "--run-dir", tmp_path / "runs", "--json")
    assert answer.code == 0
    assert {run["state"] for run in answer.json} == {"queued"}
    assert {run["job"] for run in answer.json} == {run.job_id for run in runs}
    [line] = answer.err.splitlines()
    assert line.startswith("warning: squeue: ")
    assert said in line


def test_a_list_of_many_runs_asks_once(asked: Asked, tmp_path: Path, spivae: Callable[..., Any]):
    for job in ("1", "2", "3_7", "4", "99") * 4:
        slurm_run(tmp_path, job)
    found = spivae("runs", "--run-dir", tmp_path, "--json").json
    assert len(found) == 20
    assert {run["job"]: run["state"] for run in found}["3_7"] == "lost"
    assert {run["job"]: run["error"] for run in found}["3_7"] == "Slurm job 3_7 ran out of time"
    spivae("ls", tmp_path)
    assert len(asked.users) == 1
