"""The app in a real terminal multiplexer: keys go in, the screen is read."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path


class Tmux:
    """A tmux server of its own with one window that runs a command."""

    def __init__(self, socket: str, command: list[str], folder: Path, columns: int, lines: int) -> None:
        self.socket = socket
        environ = [f"{name}={os.environ[name]}" for name in os.environ if name.startswith(("XDG_", "OMP_"))]
        without = [part for name in ("NO_COLOR", "COLUMNS", "LINES") for part in ("-u", name)]
        size = ["-x", str(columns), "-y", str(lines)]
        self.call(
            *("-f", "/dev/null", "-u", "new-session", "-d", *size, "-c", str(folder)),
            *("env", *without, "LANG=C.UTF-8", "PYTHONUTF8=1", *environ),
            # the window stays after the command, and says how it ended
            *("sh", "-c", f"{shlex.join(command)}; echo exit status $?; exec sleep 600"),
        )

    def call(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self.socket, *arguments], capture_output=True, text=True, check=True, timeout=20
        )
        return done.stdout

    def screen(self) -> str:
        return self.call("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        self.call("send-keys", *keys)

    def resize(self, columns: int, lines: int) -> None:
        self.call("resize-window", "-x", str(columns), "-y", str(lines))

    def wait_for(self, wanted: str | Callable[[str], bool], seconds: float = 60) -> str:
        """The screen once it shows a text or fulfils a condition. Fails with the last screen."""
        end = time.monotonic() + seconds
        while True:
            screen = self.screen()
            if wanted(screen) if callable(wanted) else wanted in screen:
                return screen
            assert time.monotonic() < end, f"waited in vain for {wanted!r}; the screen was\n{screen}"
            time.sleep(0.1)

    def close(self) -> None:
        subprocess.run(
            ["tmux", "-L", self.socket, "kill-server"], capture_output=True, check=False, timeout=20
        )
