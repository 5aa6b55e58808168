"""A disk that fails, or a process that dies, at every single operation of a checkpoint write."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from wafer_sim import checkpoints
from wafer_sim.accounts import Accounts
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.durable import directories
from wafer_sim.ledger import StreamPosition
from wafer_sim.runtime.protocol import State
from wire.cursor import Cursor
from wire.errors import Exhausted, Fault, InvalidInput, NotFound

DEAD_PID = 2**22 + 7  # above the highest that Linux gives
ELSEWHERE_PID = 1  # lives as long as we do


class Crash(BaseException):
    """The process is dead: nothing that it would do now happens."""


class File:
    """A new file that is written through the disk."""

    def __init__(self, disk: Disk, path: Path, mode: str) -> None:
        self._disk = disk
        self._file = disk.real_open(path, mode)
        disk.unsynced.add(os.fstat(self._file.fileno()).st_ino)
        self.flush, self.fileno = self._file.flush, self._file.fileno

    def write(self, content: bytes) -> None:
        try:
            self._disk.count("write")
        except OSError:
            self._file.write(content[: len(content) // 2])
            raise
        self._file.write(content)

    def __enter__(self) -> File:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class Disk:
    """Counts operations; the one with number `at` fails with `error`, and with `stays` all later ones do too."""

    def __init__(self, at: int, error: Callable[[], BaseException], stays: bool) -> None:
        self._at, self._error, self._stays = at, error, stays
        self.operations: list[str] = []
        self.unsynced: set[int] = set()  # inodes of files
        self.renamed: list[tuple[Path, Path]] = []
        self.real_open = io.open

    def count(self, name: str) -> None:
        self.operations.append(name)
        number = len(self.operations)
        if number == self._at or (self._stays and number > self._at):
            raise self._error()

    @property
    def reached(self) -> bool:
        return len(self.operations) >= self._at

    @contextmanager
    def failing(self, pid: int) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("rename", "mkdir", "rmdir", "unlink", "open", "scandir", "fsync"):
                patch.setattr(os, name, self._counted(name, getattr(os, name)))
            patch.setattr(io, "open", self._open)
            patch.setattr(os, "getpid", lambda: pid)
            yield

    def lose_unsynced(self, model_dir: Path) -> None:
        """The power was cut: what was not made durable is gone, names were not given."""
        for path in model_dir.rglob("*"):
            if path.is_file() and path.stat().st_ino in self.unsynced:
                path.write_bytes(b"")
        for before, after in reversed(self.renamed):
            if after.exists() and not before.exists():
                after.rename(before)

    def _counted(self, name: str, real: Callable[..., object]) -> Callable[..., object]:
        def operation(*args: object, **options: object) -> object:
            self.count(name)
            result = real(*args, **options)
            if name == "rename":
                self.renamed.append((Path(str(args[0])), Path(str(args[1]))))
            if name == "fsync":
                self.unsynced.discard(os.fstat(args[0]).st_ino)
            of_a_folder = name == "fsync" and stat.S_ISDIR(os.fstat(args[0]).st_mode)
            if of_a_folder or name in ("unlink", "rmdir"):  # a removal that lasts lets earlier renames last too
                self.renamed.clear()
            return result

        return operation

    def _open(self, path: Path, mode: str = "r", *args: object, **options: object) -> object:
        if "x" not in mode:
            return self.real_open(path, mode, *args, **options)
        self.count("create")
        return File(self, path, mode)


def made(step: int, value: float = 0.0) -> Checkpoint:
    state = State({"w": np.full(5, value or step, np.float32)}, {"w/step": np.array(1.0)})
    return Checkpoint(step, state, (StreamPosition(Cursor(0)),), accounts=Accounts(rows=100))


def value_of(checkpoint: Checkpoint) -> float:
    return float(checkpoint.state.weights["w"][0])


def no_checkpoint(_: Path) -> None:
    """The first write of a run."""


def one(model_dir: Path) -> None:
    checkpoints.write(model_dir, made(4))


def the_same(model_dir: Path) -> None:
    checkpoints.write(model_dir, made(5, 4.0))


def many(model_dir: Path) -> None:
    for step in (1, 2, 3, 4):
        checkpoints.write(model_dir, made(step))


def litter(model_dir: Path) -> None:
    """What two dead processes left: one half written, one set aside and not replaced, one replaced and not removed."""
    set_aside, replaced, _ = (checkpoints.write(model_dir, made(step)) for step in (4, 3, 2))
    set_aside.rename(model_dir / f".checkpoint_4.{DEAD_PID + 1}.old")
    replaced.rename(model_dir / f".checkpoint_2.{DEAD_PID + 1}.old")
    half = model_dir / f".checkpoint_5.{DEAD_PID + 2}.new"
    half.mkdir()
    (half / "weights.safetensors").write_bytes(b"half")


PLACES = [no_checkpoint, one, the_same, many, litter]
FAULTS: dict[str, tuple[Callable[[], BaseException], bool]] = {
    "full once": (lambda: OSError(errno.ENOSPC, "full"), False),
    "broken once": (lambda: OSError(errno.EIO, "broken"), False),
    "broken from then on": (lambda: OSError(errno.EIO, "broken"), True),
    "crash": (Crash, True),
    "power cut": (Crash, True),
}


def write_under(disk: Disk, model_dir: Path, fault: str) -> bool:
    """Write checkpoint 5 with that disk; whether it said that it did."""
    crash = FAULTS[fault][0] is Crash
    try:
        with disk.failing(DEAD_PID if crash else os.getpid()):
            checkpoints.write(model_dir, made(5), keep=2)
    except Fault as said:
        kind = Exhausted if "full" in fault else InvalidInput
        assert isinstance(said, kind)
        return False
    except Crash:
        return False
    return True


def newest(model_dir: Path) -> float:
    """The value of the newest checkpoint, 0 where there is none; no checkpoint may be damaged."""
    for path in directories(model_dir).values():
        checkpoints.read(path)
    try:
        found, problems = checkpoints.newest_whole(model_dir)
    except NotFound:
        return 0.0
    assert problems == []
    return value_of(found)


def names_in(model_dir: Path) -> list[str]:
    return sorted(path.name for path in model_dir.iterdir())


def assert_undone(model_dir: Path, place: Callable[[Path], None]) -> None:
    """After a failure that passed, no room is taken and what was there has its name."""
    names = names_in(model_dir)
    assert place is litter or not [name for name in names if name.endswith(".new")]
    assert place is not the_same or "checkpoint_5" in names


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here outlives the machine: what was synced is counted, not waited for."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_whatever_fails_a_whole_checkpoint_is_found_and_the_next_write_works(
    tmp_path: Path, place: Callable[[Path], None], fault: str
) -> None:
    """For every operation: the one before or the new one is read, and a later write leaves no trace of the fault."""
    at, reached = 0, True
    while reached:
        at += 1
        model_dir = tmp_path / str(at)
        model_dir.mkdir()
        place(model_dir)
        before = newest(model_dir)
        disk = Disk(at, *FAULTS[fault])
        succeeded = write_under(disk, model_dir, fault)
        reached = disk.reached
        if fault == "power cut":
            disk.lose_unsynced(model_dir)
        if fault == "full once" and not succeeded:
            assert_undone(model_dir, place)
        assert newest(model_dir) in ((5.0,) if succeeded else (before, 5.0)), disk.operations
        checkpoints.write(model_dir, made(6), keep=1)
        assert newest(model_dir) == 6.0
        assert names_in(model_dir) == ["checkpoint_6"], disk.operations
    assert {"mkdir", "create", "write", "fsync", "rename"} <= set(disk.operations)
    assert at > 12


@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer.safetensors", "ledger.bin", "manifest.json"])
@pytest.mark.parametrize("harm", ["flip", "cut", "gone", "empty"])
def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_is_used(tmp_path: Path, name: str, harm: str) -> None:
    """Whatever happens to a file of it; a checkpoint that has lost its manifest is none."""
    checkpoints.write(tmp_path, made(4))
    path = checkpoints.write(tmp_path, made(5)) / name
    content = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        flipped = bytes([content[0] ^ 255]) + content[1:]
        path.write_bytes({"flip": flipped, "cut": content[:-1], "empty": b""}[harm])
    found, problems = checkpoints.newest_whole(tmp_path)
    assert value_of(found) == 4.0
    assert len(problems) == (0 if (name, harm) == ("manifest.json", "gone") else 1)
    assert all(problem.startswith(f"{path}: ") for problem in problems)


def test_where_all_are_damaged_all_are_named(tmp_path: Path) -> None:
    """Nothing is used, and each one's file is said."""
    for step in (4, 5):
        (checkpoints.write(tmp_path, made(step)) / "ledger.bin").write_bytes(b"x")
    with pytest.raises(InvalidInput, match=r"checkpoint_5/ledger\.bin: .*checkpoint_4/ledger\.bin: ") as caught:
        checkpoints.newest_whole(tmp_path)
    assert caught.value.where == str(tmp_path)
    with pytest.raises(NotFound):
        checkpoints.newest_whole(tmp_path / "nowhere")


def test_a_damaged_later_checkpoint_does_not_crowd_out_whole_ones(tmp_path: Path) -> None:
    """A run that went back behind it keeps as many of its own as it was told to."""
    (checkpoints.write(tmp_path, made(9)) / "weights.safetensors").write_bytes(b"x")
    for step in (4, 5, 6):
        checkpoints.write(tmp_path, made(step), keep=2)
    assert names_in(tmp_path) == ["checkpoint_5", "checkpoint_6", "checkpoint_9"]
    found, problems = checkpoints.newest_whole(tmp_path)
    assert (value_of(found), len(problems)) == (6.0, 1)


def test_a_checkpoint_set_aside_is_found_although_its_writer_seems_to_live(tmp_path: Path) -> None:
    """The number of a dead process may be given out again: until it is free, the checkpoint is read where it stands."""
    path = checkpoints.write(tmp_path, made(4))
    path.rename(tmp_path / f".checkpoint_4.{ELSEWHERE_PID}.old")
    assert newest(tmp_path) == 4.0
    checkpoints.write(tmp_path, made(5), keep=2)
    assert newest(tmp_path) == 5.0
