"""Files and directories that are there whole or not at all, also after a power cut; and who may write them."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from wire.errors import Exhausted, InvalidInput, Refused

MANIFEST = "manifest.json"
"""The file that is removed first: a directory with it is whole."""
LOCK = ".wafer.lock"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNFINISHED = re.compile(r"^\.(?P<name>.+)\.(?P<pid>\d+)\.(?P<kind>new|old)$")
_ANOTHER_LOOK = 0.02


Content = bytes | Iterable[bytes | memoryview]
"""Of a file: all of it, or its pieces in order, made while they are written."""


def write_directory(target: Path, files: Mapping[str, Content]) -> None:
    """Make a directory with these files, replacing the one there. Raises Exhausted when the disk is full.

    They are written in their order. It is written beside the target, made durable and renamed, so a reader who asks
    `directories` sees the old one or the new one. When it raises, either the target is as it was or the new one is
    there, whole.
    """
    new, old = _beside(target, "new"), _beside(target, "old")
    with faults_said(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            _discard(new)
            new.mkdir()
            for name, content in files.items():
                _write(new / name, content)
            _sync(new)
            _replace(target, new, old)
        except BaseException:
            _discard(new)
            raise
        _sync(target.parent)
        _discard(old)


def remove_directory(target: Path) -> None:
    """Remove a directory such that no reader sees half of it; nothing where another process has removed it."""
    with faults_said(target):
        old = _beside(target, "old")
        with suppress(FileNotFoundError):
            target.rename(old)
        _discard(old)


def directories(parent: Path, whole: str = MANIFEST) -> dict[str, Path]:
    """Name -> directory with the file `whole` in it. Raises InvalidInput where the parent cannot be read.

    One whose writer died between stepping aside and being replaced is found where it stands.
    """
    with faults_said(parent, "reading"):
        there = [path for path in parent.iterdir() if (path / whole).is_file()] if parent.is_dir() else []
    aside = {
        match["name"]: path for path in there if (match := _UNFINISHED.match(path.name)) and match["kind"] == "old"
    }
    return aside | {path.name: path for path in there if not _UNFINISHED.match(path.name)}


def clean(parent: Path) -> None:
    """Clear away what processes that died left unfinished in a directory; put back what they had not yet replaced."""
    with faults_said(parent):
        for path in sorted(parent.iterdir()) if parent.is_dir() else []:
            found = _UNFINISHED.match(path.name)
            if found is None or _alive(int(found["pid"])):
                continue
            whole = parent / found["name"]
            if found["kind"] == "old" and not whole.exists() and (path / MANIFEST).exists():
                with suppress(FileNotFoundError):  # a process on another machine was removing it
                    path.rename(whole)
            else:
                _discard(path)


@contextmanager
def hold(model_dir: Path, seconds: float, waiting: Callable[[], None]) -> Iterator[None]:
    """Be the only process that writes a model_dir, until the block is left or the process ends, however it ends.

    Calls `waiting` once when another process holds it. Raises Refused naming that process when it still does after
    `seconds`.
    """
    with faults_said(model_dir):
        model_dir.mkdir(parents=True, exist_ok=True)
        handle = os.open(model_dir / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with faults_said(model_dir):
            _acquire(handle, model_dir, seconds, waiting)
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        fcntl.flock(
            handle, fcntl.LOCK_UN
        )  # a child between fork and exec has the handle too: to close it is not enough
        os.close(handle)


def _acquire(handle: int, model_dir: Path, seconds: float, waiting: Callable[[], None]) -> None:
    if _locked(handle):
        return
    waiting()
    until = time.monotonic() + seconds
    while not _locked(handle):
        left = until - time.monotonic()
        if left <= 0:
            holder = os.pread(handle, 20, 0).decode(errors="replace").strip() or "unknown"
            raise Refused(
                f"process {holder} still writes this model_dir after {seconds:g} s",
                where=str(model_dir),
                fix="wait until it ends, stop it, or use another model_dir",
            )
        threading.Event().wait(min(_ANOTHER_LOOK, left))  # the kernel's flock takes no time limit


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _replace(target: Path, new: Path, old: Path) -> None:
    if not target.exists():
        new.rename(target)
        return
    _discard(old)
    target.rename(old)
    try:
        new.rename(target)
    except BaseException:
        old.rename(target)
        raise


def _discard(path: Path) -> None:
    """Remove a directory, first what makes it whole; what cannot be removed now is left to the next `clean`."""
    with suppress(OSError):
        (path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(path, ignore_errors=True)


def _beside(target: Path, kind: str) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.{kind}")


def _write(path: Path, content: Content) -> None:
    with path.open("xb") as file:
        for piece in (content,) if isinstance(content, bytes) else content:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _alive(pid: int) -> bool:
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def faults_said(target: Path, doing: str = "writing") -> Iterator[None]:
    """Errors of the file system are raised as Exhausted (the disk is full) or InvalidInput."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            fix = "free space, or lower runconfig.keep_checkpoint_max, and run again"
            raise Exhausted("the disk is full", where=str(target), fix=fix) from error
        reason = error.strerror or str(error)
        raise InvalidInput(f"{reason} while {doing}", where=str(target), fix="choose another model_dir") from error
