"""Starting the processes of a training, and starting them again where one dies: torchrun, in this process.

The process that holds a run's lock is torchrun's agent: it watches over the workers of its machine, signals
go to it, and the run is lost where it is gone. Agents and workers meet in a store of torch: on one machine a
file that only this user can read, so that nobody else can speak to them; on several, a port of the first.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from torch.distributed import FileStore, TCPStore  # type: ignore[attr-defined]  # exported, not declared
from torch.distributed.distributed_c10d import Store

from spivae.errors import SpivaeError, WorkFailed
from spivae.training.own_folder import own_folder
from spivae.training.processes import split_endpoint
from spivae.training.run import Run
from spivae.training.watch import farewell

WAIT_SECONDS = 900  # for the other machines
_LOOK_SECONDS = 0.1
_RUN = "spivae/run"


class Meeting:
    """Where the processes of a training find each other; `leads` where this process has opened it."""

    def __init__(self, folder: str, store: Store, address: str, leads: bool) -> None:
        self.folder = folder  # for files of this process
        self.store = store
        self.address = address
        self.leads = leads

    @classmethod
    @contextlib.contextmanager
    def at(cls, endpoint: str | None = None, leads: bool | None = None) -> Iterator[Meeting]:
        """Open the meeting of one machine, or that of several, or join it there.

        Whether this process `leads` is told, or found out: who can listen at the endpoint does. Raises
        WorkFailed where nobody is met, or where it is to lead and cannot listen there.
        """
        with own_folder("spivae-torchrun-") as folder:
            if endpoint is None:
                address = f"{folder}/store"
                yield cls(folder, FileStore(address), address, True)
                return
            listening = None if leads is False else _listening(endpoint)
            if leads and listening is None:
                raise WorkFailed(f"--rdzv-endpoint: {endpoint}: is taken, or is no address of this machine")
            host, port = split_endpoint(endpoint)
            try:
                store = TCPStore(
                    host,
                    port,
                    is_master=listening is not None,
                    wait_for_workers=False,
                    timeout=timedelta(seconds=WAIT_SECONDS),
                    master_listen_fd=None if listening is None else listening.detach(),
                )
            except RuntimeError as error:
                raise WorkFailed(
                    f"--rdzv-endpoint: {endpoint}: nobody answers there ({_line(error)})"
                ) from None
            yield cls(folder, store, endpoint, listening is not None)

    def announce(self, run: Run) -> None:
        """Tell the other machines which run is trained."""
        self.store.set(_RUN, str(run.path.resolve()))

    def run(self) -> Run:
        """The run that is trained. Raises SpivaeError where this machine does not see it."""
        try:
            path = Path(self.store.get(_RUN).decode())
        except RuntimeError as error:
            raise WorkFailed(
                f"--rdzv-endpoint: {self.address}: the machine that leads has ended ({_line(error)})"
            ) from None
        try:
            return Run.open(path)
        except SpivaeError:
            raise SpivaeError(
                f"{path}: is not to be seen on {socket.gethostname()}; --run-dir must be a folder that all "
                "machines share"
            ) from None


def _listening(endpoint: str) -> socket.socket | None:
    """A socket that listens at an endpoint of this machine; None where it is another's, or taken."""
    host, port = split_endpoint(endpoint)
    try:
        family, kind, proto, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise SpivaeError(f"--rdzv-endpoint: {host}: there is no such machine ({error.strerror})") from None
    found = socket.socket(family, kind, proto)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(place)
        found.listen()
    except OSError as error:
        found.close()
        if error.errno in (errno.EADDRNOTAVAIL, errno.EADDRINUSE):
            return None
        raise WorkFailed(f"--rdzv-endpoint: {endpoint}: {error.strerror}") from None
    return found


def connect(address: str) -> Store:
    """The store of a meeting, from a worker. Raises RuntimeError where it is gone."""
    if address.startswith("/"):
        return FileStore(address)
    host, port = split_endpoint(address)
    return TCPStore(
        host, port, is_master=False, wait_for_workers=False, timeout=timedelta(seconds=WAIT_SECONDS)
    )


def supervise(meeting: Meeting, run: Run, threads: int | None, look: Callable[[], None]) -> None:
    """Run this machine's workers to their end; `look` is called all the while.

    Without a number of `threads`, the workers take that of before, or choose one together.

    Raises SpivaeError or WorkFailed with what a worker has said, WorkFailed where too many of them died.
    """
    ended: list[BaseException | None] = []

    def work() -> None:
        try:
            _launch(meeting, run, threads)
            ended.append(None)
        except BaseException as error:  # noqa: BLE001  raised again below, in the thread that waits
            ended.append(error)

    # in a thread, because torchrun would take over the signals, and end the workers after half a minute
    agent = threading.Thread(target=work, name="torchrun", daemon=True)
    agent.start()
    while agent.is_alive():
        agent.join(_LOOK_SECONDS)
        look()
    said = farewell(meeting.store)
    if said is not None:
        raise (SpivaeError if said.code == SpivaeError.exit_code else WorkFailed)(said.message)
    [error] = ended
    if error is not None:
        raise WorkFailed(f"{run.path}: {_why(error, run)}") from error


def _launch(meeting: Meeting, run: Run, threads: int | None) -> None:
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    info = run.info
    # it would open a port on all interfaces, which we have no need of
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # we say in a line what it says
    alone = info.nnodes == 1
    config = LaunchConfig(
        min_nodes=info.nnodes,
        max_nodes=info.nnodes,
        nproc_per_node=info.nproc,
        run_id=info.id,
        rdzv_backend="c10d",
        rdzv_endpoint=meeting.address,
        rdzv_configs={"timeout": WAIT_SECONDS, **({"store_type": "file"} if alone else {"is_host": "false"})},
        max_restarts=info.max_restarts,
        local_addr="127.0.0.1" if alone else None,
        logs_specs=DefaultLogsSpecs(log_dir=meeting.folder),
    )
    worker = ["-m", "spivae", "train", "--run", str(run.path.resolve())]
    worker += ["--threads", str(threads)] if threads is not None else []
    elastic_launch(config, sys.executable)(*worker, "--team", meeting.address, "--parent", str(os.getpid()))


def _why(error: BaseException, run: Run) -> str:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    if not isinstance(error, ChildFailedError):
        return f"its processes cannot go on ({_line(error)})"
    # one that was killed, rather than those that have noticed
    rank, failure = min(error.failures.items(), key=lambda item: (item[1].exitcode >= 0, item[1].timestamp))
    how = f"signal {-failure.exitcode}" if failure.exitcode < 0 else f"exit code {failure.exitcode}"
    most = run.info.max_restarts
    again = f"all were started again {most} of at most {most} times" if most else "--max-restarts is 0"
    return (
        f"process {rank} has ended with {how}, and {again}; "
        f"`spivae resume {run.id}` goes on from its last state"
    )


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
