"""The app in a pseudo-terminal: what really goes over the wire."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time

START = "import sys; from spivae_tui.main import run; sys.exit(run(sys.argv[1:]))"


class Terminal:
    """A process in a terminal of its own; `read_until` and `read_for` collect what it writes."""

    def __init__(
        self,
        *folders: str,
        columns: int = 80,
        lines: int = 24,
        python: str = sys.executable,
        **environ: str,
    ) -> None:
        self.started = time.monotonic()
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm-256color", "LANG": "C.UTF-8", "PYTHONUTF8": "1", **environ})
            for name in ("COLUMNS", "LINES"):
                os.environ.pop(name, None)
            os.execv(python, [python, "-c", START, *folders])
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read_for(self, seconds: float) -> bytes:
        """What is written within these seconds."""
        found, end = b"", time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.descriptor], [], [], left)[0]:
                try:
                    found += os.read(self.descriptor, 65536)
                except OSError:  # the other end is closed
                    break
        return found

    def read_until_quiet(self, seconds: float) -> bytes:
        """What is written until nothing has come for these seconds. Fails where it goes on and on."""
        found, end = b"", time.monotonic() + 60
        while part := self.read_for(seconds):
            assert time.monotonic() < end, f"it never rests; the last was {part[-300:]!r}"
            found += part
        return found

    def read_until(self, words: bytes, seconds: float = 60) -> bytes:
        """What is written up to these words. Fails where they do not come."""
        found, end = b"", time.monotonic() + seconds
        while words not in found:
            assert time.monotonic() < end, f"{words!r} did not come; the last was {found[-300:]!r}"
            found += self.read_for(0.02)
        return found

    def wait(self, seconds: float = 60) -> int:
        """The exit status, as of waitpid; what is still written is read on."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                return status
            self.read_for(0.05)
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        raise AssertionError("it did not end")
