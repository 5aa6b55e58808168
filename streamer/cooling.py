"""`streamer cool`: the files of a source leave this machine's page cache, so that the next run reads them anew."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from streamer.sources.files import find_local
from wire.errors import Exhausted, Refused


def cool_source(data_dir: str, data_root: Path | None = None) -> None:
    """Cool every file of a data_dir and say how many. Raises what `find_local` and `cool` raise."""
    paths = [path for path in find_local(data_dir, lambda _: True, "data", data_root) if path.is_file()]
    size = sum(cool(path) for path in paths)
    sys.stdout.write(f"{len(paths):,} files with {size:,} bytes are out of the page cache of this machine\n")


def cool(path: Path) -> int:
    """Let the operating system forget what it keeps of a file; the file's bytes. Raises Refused, Exhausted.

    What another process has mapped of it stays.
    """
    if not hasattr(os, "posix_fadvise"):
        raise Refused("this system has no call to drop a file from its cache", fix="read from files not read before")
    try:
        with path.open("rb") as file:
            os.fsync(file.fileno())  # what is not written yet would stay
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            return os.fstat(file.fileno()).st_size
    except OSError as error:
        raise Exhausted(f"a file cannot be cooled: {error.strerror}", where=str(path)) from error
