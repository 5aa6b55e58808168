"""Checkpoints: weights, optimizer state, random state and every stream's cursor as one unit.

    model_dir/checkpoint_<step>/manifest.json          what it is, and the size and digest of the others
                                weights.safetensors    parameter or buffer -> tensor
                                optimizer.safetensors  "<parameter>/<what>" -> tensor
                                ledger.bin             accounts and loader states (ledger_file), where there are any

No torch here: executors hand over numpy arrays (bfloat16, which numpy has not, comes as float32, exactly). Tensors are
written and read one at a time, so that a model may be larger than memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wafer_sim import ledger_file
from wafer_sim.accounts import Accounts
from wafer_sim.durable import MANIFEST, Content, clean, directories, remove_directory, write_directory
from wafer_sim.ledger import StreamPosition
from wafer_sim.runtime.protocol import Array, State
from wafer_sim.tensor_files import NotTensorsError, TensorFile, pieces
from wire.cursor import Cursor
from wire.errors import InvalidInput, NotFound

FORMAT = 2
WEIGHTS = "weights.safetensors"
OPTIMIZER = "optimizer.safetensors"
LEDGER = "ledger.bin"

_READABLE = (1, FORMAT)  # format 1 has no digests, histories, loader states and accounts
_NAME = re.compile(r"^checkpoint_(\d+)$")
_AGAIN = "resume from an earlier checkpoint with --checkpoint_path, or start in a new model_dir"

Tensors = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that a run needs to go on after `step` weight updates.

    state: of the executor. seed: of all randomness; nothing else of it has state. data: JSON-able facts about the
    input that a resume must agree with (streams, replicas, batch size, rows, ...). executable: its digest.
    accounts: the ledger's; None where none were kept (checkpoints of format 1, and of loops without a ledger).
    run: the id of the run that wrote it; "" for one that no service ran.
    """

    step: int
    state: State
    streams: Sequence[StreamPosition] = ()
    seed: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)
    executable: str = ""
    accounts: Accounts | None = None
    run: str = ""


def write(model_dir: Path, checkpoint: Checkpoint, keep: int = 0) -> Path:
    """Write a checkpoint durably, then `thin` what is there (0 keeps all). Returns its directory.

    Raises Exhausted when the disk is full; the checkpoints that were there are then still there, whole.
    """
    clean(model_dir)
    files = {name: _Counted(content) for name, content in _files(checkpoint).items()}
    target = model_dir / f"checkpoint_{checkpoint.step}"
    write_directory(target, {**files, MANIFEST: _manifest(checkpoint, files)})
    if keep:
        thin(model_dir, keep, checkpoint.step)
    return target


def thin(model_dir: Path, keep: int, step: int) -> None:
    """Remove the checkpoints up to a step, but for the newest `keep` (at least 1) of them.

    Those of later steps, which are there where a run went back to an earlier one, neither count nor go. Raises
    InvalidInput where that is not allowed.
    """
    for _, old in [found for found in _found(model_dir) if found[0] <= step][:-keep]:
        remove_directory(old)


def latest(model_dir: Path) -> Path | None:
    """The checkpoint with the most steps in a model_dir, or None. Unfinished ones do not count; damaged ones do."""
    found = _found(model_dir)
    return found[-1][1] if found else None


def newest_whole(model_dir: Path, run: str | None = None) -> tuple[Checkpoint, list[str]]:
    """The newest checkpoint whose checksums hold, and what is wrong with each newer one, newest first.

    run: only those that this run wrote count. Raises NotFound where there is none, and InvalidInput naming all of them
    where none is whole.
    """
    problems: list[str] = []
    for _, path in reversed(_found(model_dir)):
        try:
            found = read(path)
        except (InvalidInput, NotFound) as error:
            problems.append(f"{error.where}: {error.what}")
        else:
            if run in (None, found.run):
                return found, problems
    if not problems:
        raise NotFound("there is no checkpoint", where=str(model_dir), fix="name a model_dir in which a run has saved")
    what = f"no checkpoint is whole: {'; '.join(problems)}"
    raise InvalidInput(what, where=str(model_dir), fix="restore one from a copy, or start in a new model_dir")


def read(path: Path) -> Checkpoint:
    """Read a checkpoint directory. Raises NotFound, and InvalidInput naming the file that is damaged.

    Its tensors are read when they are asked for, also when the directory has been removed meanwhile.
    """
    if not (path / MANIFEST).is_file():
        raise NotFound("this is no checkpoint", where=str(path), fix="name a checkpoint_<step> of a model_dir")
    text = _bytes(path / MANIFEST)
    try:
        manifest = json.loads(text)
        if manifest["format"] not in _READABLE:
            what = f"a checkpoint of format {manifest['format']}; this version reads {', '.join(map(str, _READABLE))}"
            raise InvalidInput(what, where=str(path), fix=_AGAIN)
        for name, expected in manifest["files"].items():
            _verify(path / name, expected)
        weights, optimizer = (_opened(path / name) for name in (WEIGHTS, OPTIMIZER))
        ledger = _bytes(path / LEDGER) if LEDGER in manifest["files"] else None
        return _with_ledger(_checkpoint(manifest, weights, optimizer), path / LEDGER, ledger)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"the manifest is damaged ({type(error).__name__}: {error})"
        raise InvalidInput(what, where=str(path / MANIFEST), fix=_AGAIN) from error


def _found(model_dir: Path) -> list[tuple[int, Path]]:
    """Steps and directories of the finished checkpoints, fewest steps first."""
    found = directories(model_dir, MANIFEST)
    return sorted((int(match[1]), path) for name, path in found.items() if (match := _NAME.match(name)))


def _files(checkpoint: Checkpoint) -> dict[str, Content]:
    state = checkpoint.state
    files: dict[str, Content] = {WEIGHTS: pieces(state.weights), OPTIMIZER: pieces(state.optimizer)}
    if checkpoint.accounts is not None or any(position.loader_state for position in checkpoint.streams):
        files[LEDGER] = ledger_file.pack(checkpoint.accounts, checkpoint.streams)
    return files


class _Counted:
    """A file's content, counted and digested while it is written, once."""

    def __init__(self, content: Content) -> None:
        self._pieces = (content,) if isinstance(content, bytes) else content
        self._digest = hashlib.sha256()
        self._bytes = 0

    def __iter__(self) -> Iterator[bytes | memoryview]:
        for piece in self._pieces:
            self._digest.update(piece)
            self._bytes += len(piece)
            yield piece

    def record(self) -> dict[str, int | str]:
        return {"bytes": self._bytes, "sha256": self._digest.hexdigest()}


def _manifest(checkpoint: Checkpoint, files: Mapping[str, _Counted]) -> Iterator[bytes]:
    """Made when the other files have been written."""
    content = _manifest_content(checkpoint, files)
    yield json.dumps(content, indent=1, sort_keys=True, allow_nan=False).encode()


def _manifest_content(checkpoint: Checkpoint, files: Mapping[str, _Counted]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "step": checkpoint.step,
        "scalars": dict(checkpoint.state.scalars),
        "streams": [_position(position) for position in checkpoint.streams],
        "seed": checkpoint.seed,
        "data": dict(checkpoint.data),
        "executable": checkpoint.executable,
        "run": checkpoint.run,
        "files": {name: content.record() for name, content in files.items()},
    }


def _checkpoint(manifest: dict[str, Any], weights: Tensors, optimizer: Tensors) -> Checkpoint:
    streams = tuple(
        StreamPosition(
            Cursor(s["stream"], s["epoch"], s["sequence"]),
            s["samples"],
            s["batches"],
            bytes.fromhex(s.get("digest", "")),
            bytes.fromhex(s.get("history", "")),
        )
        for s in manifest["streams"]
    )
    state = State(weights, optimizer, manifest["scalars"])
    return Checkpoint(
        manifest["step"],
        state,
        streams,
        manifest["seed"],
        manifest["data"],
        manifest["executable"],
        run=manifest.get("run", ""),
    )


def _with_ledger(checkpoint: Checkpoint, path: Path, content: bytes | None) -> Checkpoint:
    if content is None:
        return checkpoint
    try:
        accounts, states = ledger_file.unpack(content)
    except ValueError as error:
        raise InvalidInput(str(error), where=str(path), fix=_AGAIN) from error
    streams = tuple(replace(p, loader_state=states.get(p.cursor.stream)) for p in checkpoint.streams)
    return replace(checkpoint, streams=streams, accounts=accounts)


def _position(position: StreamPosition) -> dict[str, int | str]:
    cursor = position.cursor
    return {
        "stream": cursor.stream,
        "epoch": cursor.epoch,
        "sequence": cursor.sequence,
        "samples": position.samples,
        "batches": position.batches,
        "digest": position.digest.hex(),
        "history": position.history.hex(),
    }


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{error.strerror} while reading a checkpoint", where=str(path), fix=_AGAIN) from error


def _verify(path: Path, expected: dict[str, Any]) -> None:
    try:
        with path.open("rb") as file:
            size, digest = os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidInput(f"{error.strerror} while reading a checkpoint", where=str(path), fix=_AGAIN) from error
    if size != expected["bytes"]:
        what = f"the file has {size} bytes, {expected['bytes']} were written"
        raise InvalidInput(what, where=str(path), fix=_AGAIN)
    if digest != expected["sha256"]:
        raise InvalidInput("the file is not what was written (its sha256 differs)", where=str(path), fix=_AGAIN)


def _opened(path: Path) -> Tensors:
    try:
        return TensorFile(path)
    except NotTensorsError as error:
        raise InvalidInput(f"the file is no safetensors file ({error})", where=str(path), fix=_AGAIN) from error
    except OSError as error:
        raise InvalidInput(f"{error.strerror} while reading a checkpoint", where=str(path), fix=_AGAIN) from error
