"""The worker process as the app sees it: events, cancellation, crashes."""

import os
import queue
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from spivae.errors import SpivaeError
from spivae.worker.client import Cancelled, Done, Failed, Progress, Worker

HERE = Path(__file__).parent
TRAINED = str(HERE.parent / "data" / "original_sbm_trained.tar")
SMALL = {"per_cell": 1}


class Job:
    """A submitted job and its events."""

    def __init__(self, worker, analysis="loss", op="analyze", checkpoint=TRAINED, data=SMALL, **options):
        self.events = queue.Queue()
        payload = {"checkpoint": checkpoint, "analysis": analysis, "options": options, "data": data}
        self.number = worker.submit(op, payload if op == "analyze" else {}, self.events.put)

    def next(self, timeout=60):
        return self.events.get(timeout=timeout)

    def outcome(self, timeout=60):
        """The event that ends the job, and the progress before it."""
        progress = []
        while isinstance(event := self.next(timeout), Progress):
            progress.append(event)
        return event, progress


@pytest.fixture(scope="module")
def plugins_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugins")
    shutil.copy(HERE / "worker_plugins.py", folder / "misbehaving.py")
    return folder


@pytest.fixture(scope="module")
def worker(plugins_dir):
    """One worker for all tests that leave it alive, so that torch is loaded once."""
    worker = Worker([plugins_dir])
    yield worker
    worker.close()


@pytest.fixture
def stalling(tmp_path):
    """A worker that never gets past its first start, which spares these tests torch; its second is normal."""
    marker = tmp_path / "started"
    (tmp_path / "stalls.py").write_text(
        "import pathlib, time\n"
        f"marker = pathlib.Path({str(marker)!r})\n"
        "if not marker.exists():\n"
        "    marker.touch()\n"
        "    time.sleep(600)\n"
    )
    worker = Worker([tmp_path])
    yield worker, marker
    worker.close()


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def processor_seconds(worker):
    """What the process has computed so far, whatever else the machine does."""
    times = psutil.Process(worker.pid).cpu_times()
    return times.user + times.system


def state_of(pid):
    """The kernel's letter for a process's state, "" where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2]
    except OSError:
        return ""


def test_a_job_reports_progress_and_ends_with_a_figure(worker):
    done, progress = Job(worker, "loss", data={"per_cell": 2}).outcome()
    assert isinstance(done, Done), done
    assert done.figure.title == "Loss map"
    assert done.scalars["nll"] < -2
    assert done.seconds > 0
    assert [event.what for event in progress if event.what == "predicting"]
    last = [event for event in progress if event.what == "predicting"][-1]
    assert last.done == last.total == 420


def test_analyses_of_one_checkpoint_and_dataset_share_the_predictions(worker):
    Job(worker, "loss").outcome()
    done, progress = Job(worker, "latents").outcome()
    assert isinstance(done, Done), done
    assert not [event for event in progress if event.what == "predicting"]


def test_warming_up_ends_without_a_figure(worker):
    done, _ = Job(worker, op="warm").outcome()
    assert isinstance(done, Done), done
    assert done.figure is None


def test_two_jobs_in_flight_are_both_done(worker, plugins_dir):
    first, second = Job(worker, "slow"), Job(worker, "latents")
    (plugins_dir / "go on").touch()
    assert isinstance(second.outcome()[0], Done)
    assert isinstance(first.outcome()[0], Done)


def test_a_running_job_is_cancelled_at_once_and_the_next_one_works(worker):
    running = Job(worker, "loss", data={"per_cell": 50})
    while not (isinstance(event := running.next(), Progress) and event.what == "predicting" and event.done):
        pass
    spent = processor_seconds(worker)
    worker.cancel(running.number)
    cancelled, progress = running.outcome()
    assert isinstance(cancelled, Cancelled)
    assert not any(event.done == event.total for event in progress)
    assert isinstance(Job(worker, "loss").outcome()[0], Done)
    assert processor_seconds(worker) - spent < 5  # 10,500 trajectories would take longer
    assert running.events.empty()


def test_a_waiting_job_is_cancelled_without_waiting_for_its_turn(worker, plugins_dir):
    running, waiting = Job(worker, "slow"), Job(worker, "loss")
    worker.cancel(waiting.number)
    assert isinstance(waiting.outcome()[0], Cancelled)
    (plugins_dir / "go on").touch()
    assert isinstance(running.outcome()[0], Done)
    worker.cancel(running.number)  # too late: nothing comes of it
    assert isinstance(Job(worker, "loss").outcome()[0], Done)
    assert running.events.empty()


def test_whatever_a_plugin_prints_or_reads_leaves_the_conversation_alone(worker):
    pid = worker.pid
    assert isinstance(Job(worker, "noisy").outcome()[0], Done)
    assert isinstance(Job(worker, "loss").outcome()[0], Done)
    assert worker.pid == pid


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"analysis": "broken"}, "analysis broken: ZeroDivisionError: a mistake"),
        ({"analysis": "hungry"}, "not enough memory (372529.03 GiB more were wanted); ask for fewer"),
        ({"analysis": "no such"}, "no such"),
        ({"checkpoint": "/no/such.tar"}, "/no/such.tar"),
        ({"data": {"grid": "odd"}}, "option grid"),
        ({"data": {"file": "none.npz"}}, "none.npz: no such file"),
        ({"latent": 1}, "option latent"),
        ({"op": "dance"}, "dance"),
    ],
    ids=lambda value: str(value),
)
def test_a_job_that_cannot_be_done_says_why_and_the_worker_lives_on(worker, wish, message):
    pid = worker.pid
    failed, _ = Job(worker, **wish).outcome()
    assert isinstance(failed, Failed), failed
    assert message in failed.message
    assert "\n" not in failed.message
    assert pid in (None, worker.pid)


def test_a_process_that_ends_by_itself_fails_its_jobs_with_its_last_words_and_is_started_again(worker):
    Job(worker, "loss").outcome()
    pid = worker.pid
    running, waiting = Job(worker, "deadly"), Job(worker, "loss")
    for job in (running, waiting):
        failed, _ = job.outcome()
        assert isinstance(failed, Failed), failed
        assert "exit code 3" in failed.message
        assert "the last words of a process" in failed.message
    failed, _ = Job(worker, "no such").outcome()
    assert "no such" in failed.message
    assert worker.pid != pid


def test_a_killed_process_fails_its_jobs_and_names_the_signal(stalling):
    worker, marker = stalling
    job = Job(worker)
    wait_for(marker.exists)
    os.kill(worker.pid, signal.SIGKILL)
    failed, _ = job.outcome()
    assert "killed (signal 9), probably for want of memory" in failed.message
    failed, _ = Job(worker, "no such").outcome()
    assert "no such" in failed.message


def test_a_job_is_cancelled_while_the_worker_is_still_starting(stalling):
    worker, marker = stalling
    job = Job(worker)
    wait_for(marker.exists)
    worker.cancel(job.number)
    assert isinstance(job.outcome()[0], Cancelled)


def test_closing_is_quick_and_final_even_while_a_job_is_stuck(stalling, monkeypatch):
    monkeypatch.setattr("spivae.worker.client.GRACE", 600)  # nothing is to need any of it
    worker, marker = stalling
    job = Job(worker)
    wait_for(marker.exists)
    pid = worker.pid
    worker.close()
    assert state_of(pid) == ""
    assert job.events.empty()
    with pytest.raises(SpivaeError, match="closed"):
        worker.submit("warm", {})
    worker.close()


def test_closing_kills_a_process_that_does_not_answer(stalling, monkeypatch):
    monkeypatch.setattr("spivae.worker.client.GRACE", 0.2)
    worker, marker = stalling
    Job(worker)
    wait_for(marker.exists)
    pid = worker.pid
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: state_of(pid) == "T")
    worker.close()
    assert state_of(pid) == ""


def test_the_process_ends_when_its_owner_is_gone(tmp_path):
    program = (
        "import os, signal; from spivae.worker.client import Worker; worker = Worker();"
        "worker.submit('warm', {}); print(worker.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    owner = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    pid = int(owner.stdout)
    wait_for(lambda: state_of(pid) in ("", "Z"))


def test_a_listener_that_fails_does_not_stop_the_events_of_others(stalling, caplog):
    worker, marker = stalling
    marker.touch()

    def fail(event):
        raise RuntimeError("the screen is gone")

    worker.submit("dance", {}, fail)
    failed, _ = Job(worker, op="dance").outcome()
    assert isinstance(failed, Failed)
    assert "the screen is gone" in caplog.text


def test_the_client_imports_neither_torch_nor_numpy():
    program = (
        "import sys, spivae.worker.client;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'textual', 'plotext')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
