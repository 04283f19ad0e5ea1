"""Writing files so that a full disk or a crash never costs the old one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from spivae.errors import WorkFailed


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[IO[Any]]:
    """A binary file that takes the place of `path` once the block has ended well.

    It is written next to `path`, synced to disk and renamed; after any error the old file is as it was and
    the temporary one is gone. Raises WorkFailed, naming `path`, where the system refuses (a full disk, a
    folder without permission).
    """
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


def _umask() -> int:
    # the umask can only be read by setting it
    mask = os.umask(0)
    os.umask(mask)
    return mask
