"""Processes of ours, known by a mark in their environment, which their children inherit; and shared memory of ours."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

VARIABLE = "WAFER_STREAMER_MARK"
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - it is looked at, nothing is put there


def environment(mark: str) -> dict[str, str]:
    """This process's environment with the mark."""
    return os.environ | {VARIABLE: mark}


def start(
    mark: str, log: Path, command: Sequence[str], *, cwd: Path | None = None, stdout: int | None = None
) -> subprocess.Popen[bytes]:
    """A process with the mark and a session of its own, which reads nothing and writes to the end of `log`.

    stdout: where its standard output goes instead, as subprocess has it.
    """
    with log.open("ab") as file:
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=environment(mark),
            stdin=subprocess.DEVNULL,
            stdout=file if stdout is None else stdout,
            stderr=file,
            start_new_session=True,
        )


def port_said(process: subprocess.Popen[bytes]) -> int | None:
    """The port in the first line of `wafer_sim serve`, started with a pipe for stdout; None where it said nothing."""
    assert process.stdout is not None
    with process.stdout as out:
        line = out.readline().decode()
    return int(line.split()[3].rstrip(",").rpartition(":")[2]) if line else None


def marked(mark: str) -> list[psutil.Process]:
    """Every living process with the mark, this one excepted."""
    return list(_marked(mark))


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            mine = process.environ().get(VARIABLE) == mark and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if mine and process.pid != os.getpid():
            yield process


def words_of(process: psutil.Process) -> str:
    """A process as people recognise it; "" when it has just gone."""
    try:
        return f"{process.pid}: {' '.join(process.cmdline()[1:5])}"
    except psutil.NoSuchProcess:
        return ""


def kill_marked(mark: str, *spare: int) -> None:
    """SIGKILL every process with the mark but those, until none is left that starts others."""
    while left := [process for process in marked(mark) if process.pid not in spare]:
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(left, timeout=1.0)


def shared_segments() -> set[str]:
    """What lies in shared memory and belongs to this user."""
    if not SHARED_MEMORY.is_dir():
        return set()
    return {path.name for path in SHARED_MEMORY.iterdir() if _mine(path)}


def _mine(path: Path) -> bool:
    try:
        return path.lstat().st_uid == os.getuid()
    except FileNotFoundError:
        return False


def in_use(segments: set[str]) -> set[str]:
    """Those of the segments that a living process has mapped or open."""
    return {name for name in segments if any(name in held for held in _holdings())}


def _holdings() -> Iterator[str]:
    for process in psutil.process_iter():
        try:
            yield Path(f"/proc/{process.pid}/maps").read_text()
            with os.scandir(f"/proc/{process.pid}/fd") as links:
                yield "\n".join(str(Path(link.path).readlink()) for link in links)
        except OSError:
            continue
