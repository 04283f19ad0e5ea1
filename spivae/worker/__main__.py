"""`python -m spivae.worker`: started by spivae.worker.client, talks in frames on stdin and stdout."""

from __future__ import annotations

import argparse
import os
import sys
from typing import IO


def claim_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Keep stdin and stdout for frames alone: whatever else reads finds nothing, and prints go to stderr."""
    frames_in = os.fdopen(os.dup(0), "rb")
    frames_out = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return frames_in, frames_out


def main() -> None:
    frames_in, frames_out = claim_pipes()
    parser = argparse.ArgumentParser(prog="python -m spivae.worker", description=__doc__)
    parser.add_argument("--plugins-dir", action="append", default=[], dest="plugin_dirs")
    arguments = parser.parse_args()
    os.nice(5)  # the app and whatever else runs on this machine come first

    from spivae.worker.server import Server

    Server(frames_in, frames_out, arguments.plugin_dirs).run()


if __name__ == "__main__":
    main()
