"""How the processes of a training end together: in words, or where nobody looks after them any more."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

_ENDED = "spivae/ended"  # in the store: the error with which all shall end
_STOP = "spivae/stop"  # in the store: all shall save and end
_LOOK_SECONDS = 0.2
_GRACE_SECONDS = 5.0  # to end by itself


class Farewell(msgspec.Struct, frozen=True):
    """The error with which a process has ended the training of all, and the exit code."""

    message: str
    code: int


def tell(store: Store, message: str, code: int) -> None:
    """Have all processes end, because of an error that would come again; the first one counts."""
    store.compare_set(_ENDED, "", msgspec.json.encode(Farewell(message, code)).decode())


def farewell(store: Store) -> Farewell | None:
    """What a process has told; None where none has, or where the store is gone."""
    try:
        return msgspec.json.decode(store.get(_ENDED), type=Farewell) if store.check([_ENDED]) else None
    except RuntimeError:
        return None


def ask_to_stop(store: Store) -> None:
    """Have all processes save and end. Raises RuntimeError where the store is gone.

    STOP, in the run's folder, is the user's word; this one is for signals, after which Slurm may go on.
    """
    store.set(_STOP, "")


class Watch:
    """Ends this process where its parent is gone, or where it waits for others that have ended in words.

    torchrun leaves its workers to themselves when it is killed. This looks from the first moment on, before
    torch is imported. `stopping` tells that all were asked to save and end.
    """

    def __init__(self, parent: int) -> None:
        self.stopping = False
        self._parent = parent
        self._store: Store | None = None
        threading.Thread(target=self._looking, name="watch", daemon=True).start()

    def listen(self, store: Store) -> None:
        """Look into a store too, through a connection in which nobody else waits."""
        self._store = store

    def _looking(self) -> None:
        while os.getppid() == self._parent:
            if self._store is not None and self._all_end(self._store):
                time.sleep(_GRACE_SECONDS)
                os._exit(0)
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    def _all_end(self, store: Store) -> bool:
        try:
            self.stopping = self.stopping or bool(store.check([_STOP]))
            return bool(store.check([_ENDED]))
        except RuntimeError:  # the machine that led is gone
            os._exit(1)
