"""Writing files so that a full disk or a crash never costs the old one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from spivae.errors import SpivaeError, WorkFailed


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[IO[Any]]:
    """A binary file that takes the place of `path` once the block has ended well.

    It is written next to `path`, synced to disk and renamed; after any error the old file is as it was and
    the temporary one is gone. Raises WorkFailed, naming `path`, where the system refuses (a full disk, a
    folder without permission).
    """
    import tempfile  # slow to import, and no need of commands that write nothing

    target = Path(path)
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
        with os.fdopen(descriptor, "wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
        temporary = None
    except OSError as error:
        raise WorkFailed(f"{target}: cannot be written ({error.strerror or error})") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def check_out(out: Path) -> None:
    """Refuse an output that cannot be written before any work is done for it. Raises SpivaeError."""
    folder = out.parent
    if out.is_dir():
        raise SpivaeError(f"{out}: is a folder; name a file in it")
    if not folder.is_dir():
        raise SpivaeError(f"{out}: there is no folder {folder}; make it, or name another")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise WorkFailed(f"{out}: cannot be written (permission denied in {folder})")


def _umask() -> int:
    # the umask can only be read by setting it
    mask = os.umask(0)
    os.umask(mask)
    return mask
