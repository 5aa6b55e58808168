"""Files and directories that are there whole or not at all, also after a power cut."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from wire.errors import Exhausted, InvalidInput

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNFINISHED = re.compile(r"^\.(?P<name>.+)\.(?P<pid>\d+)\.(?P<kind>new|old)$")


def write_directory(target: Path, files: Mapping[str, bytes]) -> None:
    """Make a directory with these files, replacing the one there. Raises Exhausted when the disk is full.

    It is written beside the target, made durable and renamed, so a reader sees the old one, the new one or none.
    """
    new, old = _beside(target, "new"), _beside(target, "old")
    with _said(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            for name, content in files.items():
                _write(new / name, content)
            _sync(new)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        if target.exists():
            target.rename(old)
        new.rename(target)
        _sync(target.parent)
        shutil.rmtree(old, ignore_errors=True)


def remove_directory(target: Path) -> None:
    """Remove a directory such that no reader sees half of it."""
    with _said(target):
        old = _beside(target, "old")
        target.rename(old)
        shutil.rmtree(old, ignore_errors=True)


def clean(parent: Path) -> None:
    """Clear away what processes that died left unfinished in a directory; put back what they had not yet replaced."""
    if not parent.is_dir():
        return
    for path in sorted(parent.iterdir()):
        found = _UNFINISHED.match(path.name)
        if found is None or _alive(int(found["pid"])):
            continue
        whole = parent / found["name"]
        if found["kind"] == "old" and not whole.exists() and (path / "manifest.json").exists():
            path.rename(whole)
        else:
            shutil.rmtree(path, ignore_errors=True)


def _beside(target: Path, kind: str) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.{kind}")


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
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
def _said(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            fix = "free space, or lower runconfig.keep_checkpoint_max, and run again"
            raise Exhausted("the disk is full", where=str(target), fix=fix) from error
        reason = error.strerror or str(error)
        raise InvalidInput(f"{reason} while writing", where=str(target), fix="choose another model_dir") from error
