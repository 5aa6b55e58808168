"""Directories that are whole or not there, and the lock of a model_dir."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wafer_sim import durable
from wire.errors import InvalidInput, Refused

HOLDER = """
import sys
from pathlib import Path
from wafer_sim import durable
with durable.hold(Path(sys.argv[1]), 10.0, lambda: print("waiting", flush=True)):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def holder(model_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a model_dir until a line is written to it."""
    command = [sys.executable, "-c", HOLDER, str(model_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def never() -> None:
    raise AssertionError("there was no reason to wait")


def test_a_model_dir_is_held_again_and_again(tmp_path: Path) -> None:
    """Nobody waits where nobody holds it; the folder is made, and the lock says who has it."""
    for _ in range(2):
        with durable.hold(tmp_path / "model", 0.0, never):
            assert (tmp_path / "model" / durable.LOCK).read_text() == f"{os.getpid()}\n"


def test_who_still_holds_it_is_named(tmp_path: Path) -> None:
    """After the time that was given, with one word on waiting in between."""
    said: list[str] = []
    with holder(tmp_path) as process:
        with (
            pytest.raises(Refused, match=rf"process {process.pid} still writes this model_dir after 0\.1 s") as caught,
            durable.hold(tmp_path, 0.1, lambda: said.append("waiting")),
        ):
            raise AssertionError("two hold it")
        assert said == ["waiting"]
        assert caught.value.where == str(tmp_path)


@pytest.mark.parametrize("how", ["leaves", "killed"])
def test_it_is_given_on_when_the_holder_ends(tmp_path: Path, how: str) -> None:
    """Whether it leaves or is killed, the one that waits gets it."""
    waits = threading.Event()

    def end(process: subprocess.Popen[str]) -> None:
        assert waits.wait(10.0)
        process.kill() if how == "killed" else process.communicate("\n")

    with holder(tmp_path) as process:
        ender = threading.Thread(target=end, args=(process,))
        ender.start()
        with durable.hold(tmp_path, 10.0, waits.set):
            assert (tmp_path / durable.LOCK).read_text() == f"{os.getpid()}\n"
        ender.join()


def test_two_in_one_process_exclude_each_other(tmp_path: Path) -> None:
    """The lock is of the block, not of the process, and an exception in the block gives it back."""
    with (
        durable.hold(tmp_path, 0.0, never),
        pytest.raises(Refused, match=str(os.getpid())),
        durable.hold(tmp_path, 0.0, lambda: None),
    ):
        raise AssertionError("two hold it")
    with pytest.raises(KeyError), durable.hold(tmp_path, 0.0, never):
        raise KeyError
    with durable.hold(tmp_path, 0.0, never):
        pass


def test_children_do_not_inherit_the_lock(tmp_path: Path) -> None:
    """A process that was started within the block and outlives it holds nothing."""
    with durable.hold(tmp_path, 0.0, never):
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, close_fds=False
        )
    with child:
        with durable.hold(tmp_path, 0.0, never):
            assert select.select([], [child.stdin], [], 0)[1]
        child.stdin.close()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A model_dir that is a file is the user's mistake, and so is an unreadable one."""
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="while writing"), durable.hold(tmp_path / "file", 0.0, never):
        raise AssertionError("held")


def test_an_error_of_the_block_is_its_own(tmp_path: Path) -> None:
    """An OSError raised by what runs under the lock does not become one of the lock's."""
    with pytest.raises(FileNotFoundError), durable.hold(tmp_path, 0.0, never):
        (tmp_path / "none").read_bytes()


def test_the_lock_is_no_litter(tmp_path: Path) -> None:
    """`clean` and `directories` leave it and other people's files alone."""
    with durable.hold(tmp_path, 0.0, never):
        (tmp_path / "notes.txt").write_text("mine")
        durable.write_directory(tmp_path / "a", {"manifest.json": b"{}"})
        durable.clean(tmp_path)
        assert durable.directories(tmp_path) == {"a": tmp_path / "a"}
    assert sorted(path.name for path in tmp_path.iterdir()) == [durable.LOCK, "a", "notes.txt"]


def test_a_directory_is_replaced_and_removed_whole(tmp_path: Path) -> None:
    """The new files only; then nothing."""
    durable.write_directory(tmp_path / "a", {"manifest.json": b"1", "old": b"x"})
    durable.write_directory(tmp_path / "a", {"manifest.json": b"2", "new": b"y"})
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == {"manifest.json": b"2", "new": b"y"}
    durable.remove_directory(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
