"""Checkpoints: whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from wafer_sim import checkpoints, ledger_file
from wafer_sim.accounts import Accounts, EpochAccount
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.durable import remove_directory
from wafer_sim.ledger import LoaderState, StreamPosition
from wafer_sim.runtime.protocol import State
from wire.cursor import Cursor
from wire.errors import Exhausted, InvalidInput, NotFound


def checkpoint(step: int, value: float = 1.0) -> Checkpoint:
    return Checkpoint(
        step=step,
        state=State({"w": np.full((2, 3), value, np.float32)}, {"w/step": np.array(2.0)}, {"optimizer_type": "sgd"}),
        streams=(
            StreamPosition(
                Cursor(0, 1, 2), 300, 3, b"\x0d" * 16, b"\x0e" * 16, LoaderState(Cursor(0, 1, 1), bytes(range(256)))
            ),
            StreamPosition(Cursor(1), 0),
        ),
        seed=11,
        data={"streams": 2, "batch_size": 100},
        executable="ab" * 32,
        accounts=Accounts(
            50, closed_below=1, epochs={0: EpochAccount(50, 5, 50)}, bitmaps={1: np.arange(7, dtype="B")}
        ),
    )


def names(model_dir: Path) -> list[str]:
    return sorted(path.name for path in model_dir.iterdir())


@given(
    weight=arrays.arrays(st.sampled_from(["float32", "float64", "int64", "bool"]), arrays.array_shapes(min_dims=0)),
    positions=st.lists(st.tuples(*[st.integers(0, 2**40)] * 4), max_size=3),
)
def test_what_is_written_is_read(tmp_path_factory: Any, weight: np.ndarray, positions: list[Any]) -> None:
    """Tensors of any shape come back bit for bit, and so does everything beside them."""
    streams = tuple(StreamPosition(Cursor(i, e, s), n, b) for i, (e, s, n, b) in enumerate(positions))
    made = Checkpoint(3, State({"w": weight}, {}, {"x": 1}), streams, seed=2**40, data={"a": [1]}, executable="e")
    read = checkpoints.read(checkpoints.write(tmp_path_factory.mktemp("model"), made))
    assert read.state.weights["w"].dtype == weight.dtype
    assert read.state.weights["w"].tobytes() == weight.tobytes()
    assert read.state.weights["w"].shape == weight.shape
    assert (read.step, read.streams, read.seed, read.data, read.executable) == (3, streams, 2**40, {"a": [1]}, "e")
    assert read.state.scalars == {"x": 1}


def test_a_transposed_tensor_is_written_in_its_own_order(tmp_path: Path) -> None:
    """The layout of memory does not matter."""
    weight = np.arange(6.0).reshape(2, 3).T
    read = checkpoints.read(checkpoints.write(tmp_path, Checkpoint(0, State({"w": weight}))))
    np.testing.assert_array_equal(read.state.weights["w"], weight)


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    """keep 2 leaves two, step 0 counting like the rest; keep 0 leaves all; numbers are not sorted as text."""
    for step in (0, 9, 10):
        checkpoints.write(tmp_path, checkpoint(step), keep=2)
    assert names(tmp_path) == ["checkpoint_10", "checkpoint_9"]
    assert checkpoints.latest(tmp_path) == tmp_path / "checkpoint_10"
    checkpoints.write(tmp_path, checkpoint(11), keep=0)
    assert len(names(tmp_path)) == 3


def test_those_up_to_a_step_are_thinned(tmp_path: Path) -> None:
    """The newest of them stay, later ones are not touched, and one that another process removes is no error."""
    for step in (0, 10, 20, 30, 40):
        checkpoints.write(tmp_path, checkpoint(step))
    checkpoints.thin(tmp_path, 2, 20)
    assert names(tmp_path) == [f"checkpoint_{step}" for step in (10, 20, 30, 40)]
    remove_directory(tmp_path / "checkpoint_0")
    assert names(tmp_path) == [f"checkpoint_{step}" for step in (10, 20, 30, 40)]


def test_a_checkpoint_can_be_written_again(tmp_path: Path) -> None:
    """The same step a second time replaces the first, and leaves nothing beside it."""
    checkpoints.write(tmp_path, checkpoint(5, 1.0))
    path = checkpoints.write(tmp_path, checkpoint(5, 2.0), keep=1)
    assert checkpoints.read(path).state.weights["w"][0, 0] == 2.0
    assert names(tmp_path) == ["checkpoint_5"]


def test_there_may_be_none(tmp_path: Path) -> None:
    """An empty or missing model_dir has no latest checkpoint, and what is none cannot be read."""
    assert checkpoints.latest(tmp_path) is None
    assert checkpoints.latest(tmp_path / "nowhere") is None
    with pytest.raises(NotFound):
        checkpoints.read(tmp_path / "checkpoint_3")


@pytest.mark.parametrize("file", ["weights.safetensors", "optimizer.safetensors", "ledger.bin", "manifest.json"])
@pytest.mark.parametrize("harm", ["flip", "cut", "gone"])
def test_a_damaged_file_is_named(tmp_path: Path, file: str, harm: str) -> None:
    """A flipped byte, a short file or a missing one is found before anything is used."""
    path = checkpoints.write(tmp_path, checkpoint(1)) / file
    content = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if harm == "cut" else bytes([content[0] ^ 255]) + content[1:])
    with pytest.raises((InvalidInput, NotFound)) as caught:
        checkpoints.read(path.parent)
    assert caught.value.where in (str(path), str(path.parent))


def test_a_full_disk_keeps_the_last_good_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space: said as such, the old checkpoint whole, nothing half-written left, and the next write works."""
    checkpoints.write(tmp_path, checkpoint(1), keep=1)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(Exhausted, match="the disk is full") as caught:
            checkpoints.write(tmp_path, checkpoint(2), keep=1)
    assert str(tmp_path) in caught.value.where
    assert names(tmp_path) == ["checkpoint_1"]
    assert checkpoints.read(tmp_path / "checkpoint_1").step == 1
    checkpoints.write(tmp_path, checkpoint(2), keep=1)
    assert names(tmp_path) == ["checkpoint_2"]


def test_a_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A model_dir that is a file is the user's mistake."""
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="while writing"):
        checkpoints.write(tmp_path / "file", checkpoint(1))


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_leftovers_of_the_dead_are_ignored_and_cleared(tmp_path: Path) -> None:
    """A half-written directory does not count, and the next write removes it; one of a living process stays."""
    dead, living = tmp_path / f".checkpoint_7.{dead_pid()}.new", tmp_path / f".checkpoint_8.{os.getppid()}.new"
    for path in (dead, living):
        path.mkdir()
        (path / "weights.safetensors").write_bytes(b"half")
    assert checkpoints.latest(tmp_path) is None
    checkpoints.write(tmp_path, checkpoint(1))
    assert names(tmp_path) == [living.name, "checkpoint_1"]


def test_a_replacement_that_died_between_its_renames_is_undone(tmp_path: Path) -> None:
    """The old checkpoint had stepped aside for a new one that never came: it comes back."""
    path = checkpoints.write(tmp_path, checkpoint(1))
    path.rename(tmp_path / f".checkpoint_1.{dead_pid()}.old")
    checkpoints.write(tmp_path, checkpoint(2))
    assert checkpoints.read(path).step == 1


def test_killed_at_any_file_operation_the_last_good_one_is_there(tmp_path: Path) -> None:
    """A process that dies at its n-th write, sync or rename, for every n, leaves a readable latest checkpoint."""
    script = (
        "import os, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from wafer_sim import checkpoints\n"
        "from wafer_sim.runtime.protocol import State\n"
        "left = int(sys.argv[2])\n"
        "def hook(event, args):\n"
        "    global left\n"
        "    if event in ('os.rename', 'os.mkdir', 'os.rmdir', 'os.remove', 'open') and sys.argv[1] in str(args[0]):\n"
        "        left -= 1\n"
        "        if left == 0: os._exit(9)\n"
        "sys.addaudithook(hook)\n"
        "made = checkpoints.Checkpoint(2, State({'w': np.ones(3)}))\n"
        "checkpoints.write(Path(sys.argv[1]), made, keep=1)\n"
    )
    for count in range(1, 40):
        model_dir = tmp_path / f"model{count}x"
        checkpoints.write(model_dir, checkpoint(1))
        run = subprocess.run([sys.executable, "-c", script, str(model_dir), str(count)], check=False)
        newest = checkpoints.latest(model_dir)
        assert newest is not None
        assert checkpoints.read(newest).step in (1, 2)
        if run.returncode == 0:
            break
        assert run.returncode == 9
    assert count > 5
    assert names(model_dir) == ["checkpoint_2"]


def test_the_manifest_is_json_without_surprises(tmp_path: Path) -> None:
    """Anybody can read where a run stood."""
    manifest = json.loads((checkpoints.write(tmp_path, checkpoint(4)) / "manifest.json").read_text())
    assert manifest["step"] == 4
    first = {"stream": 0, "epoch": 1, "sequence": 2, "samples": 300, "batches": 3}
    assert manifest["streams"][0] == {**first, "digest": "0d" * 16, "history": "0e" * 16}
    assert set(manifest["files"]) == {"weights.safetensors", "optimizer.safetensors", "ledger.bin"}


def test_the_ledger_is_part_of_a_checkpoint(tmp_path: Path) -> None:
    """Accounts, digests, histories and loader states come back as they were."""
    made = checkpoint(4)
    read = checkpoints.read(checkpoints.write(tmp_path, made))
    assert read.streams == made.streams
    assert ledger_file.pack(read.accounts, read.streams) == ledger_file.pack(made.accounts, made.streams)


def test_a_checkpoint_without_accounts_has_no_ledger_file(tmp_path: Path) -> None:
    """Loops that keep none write none."""
    path = checkpoints.write(tmp_path, Checkpoint(4, State({}), (StreamPosition(Cursor(0), 3, 1),)))
    assert not (path / "ledger.bin").exists()
    assert checkpoints.read(path).accounts is None


def test_checkpoints_of_format_1_are_still_read(tmp_path: Path) -> None:
    """Without digests, histories and accounts; one of a format to come is refused, naming both."""
    path = checkpoints.write(tmp_path, Checkpoint(4, State({"w": np.ones(2)}), (StreamPosition(Cursor(0, 1), 3, 1),)))
    manifest = json.loads((path / "manifest.json").read_text())
    for stream in manifest["streams"]:
        del stream["digest"], stream["history"]
    (path / "manifest.json").write_text(json.dumps({**manifest, "format": 1}))
    read = checkpoints.read(path)
    assert (read.streams, read.accounts) == ((StreamPosition(Cursor(0, 1), 3, 1),), None)
    (path / "manifest.json").write_text(json.dumps({**manifest, "format": 3}))
    with pytest.raises(InvalidInput, match="format 3; this version reads 1, 2"):
        checkpoints.read(path)


def test_a_ledger_that_is_none_is_named(tmp_path: Path) -> None:
    """Its checksum may hold, and still it may not be what we write."""
    path = checkpoints.write(tmp_path, checkpoint(4))
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "ledger.bin").write_bytes(b"other")
    manifest["files"]["ledger.bin"] = {"bytes": 5, "sha256": hashlib.sha256(b"other").hexdigest()}
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidInput, match="no ledger") as caught:
        checkpoints.read(path)
    assert caught.value.where == str(path / "ledger.bin")
