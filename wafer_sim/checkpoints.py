"""Checkpoints: weights, optimizer state, random state and every stream's cursor as one unit.

    model_dir/checkpoint_<step>/manifest.json          what it is, and the size and digest of the other two
                                weights.safetensors    parameter or buffer -> tensor
                                optimizer.safetensors  "<parameter>/<what>" -> tensor

No torch here: executors hand over numpy arrays (bfloat16, which numpy has not, comes as float32, exactly).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as tensors_from_bytes
from safetensors.numpy import save as tensors_to_bytes

from wafer_sim.durable import clean, remove_directory, write_directory
from wafer_sim.ledger import StreamPosition
from wafer_sim.runtime.protocol import Array, State
from wire.cursor import Cursor
from wire.errors import InvalidInput, NotFound

FORMAT = 1
MANIFEST = "manifest.json"
WEIGHTS = "weights.safetensors"
OPTIMIZER = "optimizer.safetensors"

_NAME = re.compile(r"^checkpoint_(\d+)$")
_AGAIN = "resume from an earlier checkpoint with --checkpoint_path, or start in a new model_dir"

Tensors = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that a run needs to go on after `step` weight updates.

    state: of the executor. seed: of all randomness; nothing else of it has state. data: JSON-able facts about the
    input that a resume must agree with (streams, replicas, batch size, rows, ...). executable: its digest.
    """

    step: int
    state: State
    streams: Sequence[StreamPosition] = ()
    seed: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)
    executable: str = ""


def write(model_dir: Path, checkpoint: Checkpoint, keep: int = 0) -> Path:
    """Write a checkpoint durably, then remove the oldest beyond `keep` (0 keeps all). Returns its directory.

    Raises Exhausted when the disk is full; the checkpoints that were there are then still there, whole.
    """
    clean(model_dir)
    files = {WEIGHTS: _pack(checkpoint.state.weights), OPTIMIZER: _pack(checkpoint.state.optimizer)}
    manifest = json.dumps(_manifest(checkpoint, files), indent=1, sort_keys=True, allow_nan=False).encode()
    target = model_dir / f"checkpoint_{checkpoint.step}"
    write_directory(target, {**files, MANIFEST: manifest})
    for old in _found(model_dir)[:-keep] if keep else []:
        if old != target:
            remove_directory(old)
    return target


def latest(model_dir: Path) -> Path | None:
    """The checkpoint with the most steps in a model_dir, or None. Unfinished ones do not count."""
    found = _found(model_dir)
    return found[-1] if found else None


def read(path: Path) -> Checkpoint:
    """Read a checkpoint directory. Raises NotFound, and InvalidInput naming the file that is damaged."""
    if not (path / MANIFEST).is_file():
        raise NotFound("this is no checkpoint", where=str(path), fix="name a checkpoint_<step> of a model_dir")
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        if manifest["format"] != FORMAT:
            what = f"a checkpoint of format {manifest['format']}; this version reads {FORMAT}"
            raise InvalidInput(what, where=str(path), fix=_AGAIN)
        weights, optimizer = (_unpack(path / name, manifest["files"][name]) for name in (WEIGHTS, OPTIMIZER))
        return _checkpoint(manifest, weights, optimizer)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"the manifest is damaged ({type(error).__name__}: {error})"
        raise InvalidInput(what, where=str(path / MANIFEST), fix=_AGAIN) from error


def _found(model_dir: Path) -> list[Path]:
    """Whole checkpoints, fewest steps first."""
    if not model_dir.is_dir():
        return []
    steps = {int(m[1]): p for p in model_dir.iterdir() if (m := _NAME.match(p.name)) and (p / MANIFEST).is_file()}
    return [steps[step] for step in sorted(steps)]


def _manifest(checkpoint: Checkpoint, files: Mapping[str, bytes]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "step": checkpoint.step,
        "scalars": dict(checkpoint.state.scalars),
        "streams": [_position(position) for position in checkpoint.streams],
        "seed": checkpoint.seed,
        "data": dict(checkpoint.data),
        "executable": checkpoint.executable,
        "files": {name: {"bytes": len(b), "sha256": hashlib.sha256(b).hexdigest()} for name, b in files.items()},
    }


def _checkpoint(manifest: dict[str, Any], weights: Tensors, optimizer: Tensors) -> Checkpoint:
    streams = tuple(
        StreamPosition(Cursor(s["stream"], s["epoch"], s["sequence"]), s["samples"], s["batches"])
        for s in manifest["streams"]
    )
    state = State(weights, optimizer, manifest["scalars"])
    return Checkpoint(manifest["step"], state, streams, manifest["seed"], manifest["data"], manifest["executable"])


def _position(position: StreamPosition) -> dict[str, int]:
    cursor = position.cursor
    return {
        "stream": cursor.stream,
        "epoch": cursor.epoch,
        "sequence": cursor.sequence,
        "samples": position.samples,
        "batches": position.batches,
    }


def _pack(tensors: Tensors) -> bytes:
    return tensors_to_bytes({name: np.ascontiguousarray(array).reshape(array.shape) for name, array in tensors.items()})


def _unpack(path: Path, expected: dict[str, Any]) -> Tensors:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{error.strerror} while reading a checkpoint", where=str(path), fix=_AGAIN) from error
    if len(content) != expected["bytes"]:
        what = f"the file has {len(content)} bytes, {expected['bytes']} were written"
        raise InvalidInput(what, where=str(path), fix=_AGAIN)
    if hashlib.sha256(content).hexdigest() != expected["sha256"]:
        raise InvalidInput("the file is not what was written (its sha256 differs)", where=str(path), fix=_AGAIN)
    try:
        return tensors_from_bytes(content)
    except SafetensorError as error:
        raise InvalidInput(f"the file is no safetensors file ({error})", where=str(path), fix=_AGAIN) from error
