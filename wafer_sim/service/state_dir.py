"""The state directory of a coordinator, which has one coordinator at a time."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from wire.errors import Exhausted, Refused

_FIX = "choose another one with --state-dir"


def directory(path: Path) -> Path:
    """The directory, made where it is missing. Raises Exhausted."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"the state directory cannot be made: {error.strerror}"
        raise Exhausted(what, where=str(path), fix=_FIX) from error
    return path


class Claim:
    """Holds `state_dir` for this process, until `close` or the end of the process, however it ends.

    Raises Refused where another coordinator has it, Exhausted where the directory cannot be written.
    """

    def __init__(self, state_dir: Path) -> None:
        path = directory(state_dir) / "lock"
        try:
            # Not inherited by wafer processes: one that outlives its coordinator for a moment does not hold it.
            self._file = path.open("ab+", buffering=0)
        except OSError as error:
            what = f"the state directory cannot be written: {error.strerror}"
            raise Exhausted(what, where=str(path), fix=_FIX) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.seek(0)
            holder = self._file.read(200).decode(errors="replace").strip()
            self._file.close()
            who = f" ({holder})" if holder else ""
            raise Refused(
                f"another coordinator has this state directory{who}", where=str(state_dir), fix=f"stop it, or {_FIX}"
            ) from error
        self.say(f"process {os.getpid()}")

    def say(self, holder: str) -> None:
        """Leave word for those who come later of who has the directory."""
        # The lock holds whether or not the disk has room for a name.
        with suppress(OSError):
            self._file.truncate(0)
            self._file.write(holder.encode())

    def close(self) -> None:
        """Let go of the directory."""
        self._file.close()
