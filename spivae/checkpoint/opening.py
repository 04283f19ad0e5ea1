"""Opening a file that may be missing, empty, a folder or forbidden, with an error that says which."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from spivae.errors import SpivaeError


def one_line(text: str) -> str:
    """The text without control characters, which a hostile file or name could smuggle to the terminal."""
    if text.isprintable():  # as nearly always, and lists ask for thousands of names
        return text
    return "".join(character if character.isprintable() else "?" for character in text)


@contextlib.contextmanager
def opened(path: Path | str) -> Iterator[tuple[IO[bytes], int]]:
    """A regular file and its size in bytes. Raises SpivaeError, naming `path`, where it cannot be read."""
    shown = one_line(str(path))
    try:
        # O_NONBLOCK, because opening a pipe would otherwise wait for its writer
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise SpivaeError(f"{shown}: no regular file; pass a checkpoint")
            if status.st_size == 0:
                raise SpivaeError(f"{shown}: is empty")
            yield file, status.st_size
    except FileNotFoundError:
        raise SpivaeError(f"{shown}: no such file") from None
    except IsADirectoryError:
        raise SpivaeError(f"{shown}: is a folder; pass a checkpoint in it") from None
    except PermissionError:
        raise SpivaeError(f"{shown}: permission denied; change its mode or ask its owner") from None
    except OSError as error:
        raise SpivaeError(f"{shown}: cannot be read ({error.strerror or error})") from None
    except ValueError as error:  # a NUL in the path
        raise SpivaeError(f"{shown}: is no path ({error})") from None
