"""What a program was captured from. While all of it is as it was, the program is read and not captured again."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree

from clients.pytorch.described import IndescribableError, Plain, described, plain_values
from clients.sources import is_users
from wafer_sim.compiler.program import Entry, Program
from wafer_sim.executables import read_executable
from wire.errors import InvalidInput, NotFound, Refused

if TYPE_CHECKING:
    from clients.pytorch.model import PyTorchBaseModel

RECORD = "captured_from.json"
"""Beside the program, in its cs_ directory."""

_OURS = Path(__file__).resolve().parents[2]
_OURS_THAT_CAPTURE = ("clients/pytorch", "wafer_sim/compiler", "wafer_sim/kernels", "streamer/structure.py")
_NOT_IN_THE_GRAPH = ("optimizer", "runconfig")
_OF_TRAINING = ("model", "optimizer", "lr_scheduler", "_spec", "mode")


@dataclass(frozen=True, slots=True)
class Origin:
    """key: of the model, its batch, its params and who captures. files: of the user's code, with their digests."""

    key: str
    files: Mapping[str, str]

    def record(self) -> bytes:
        """What is left beside the program: with the files that were imported meanwhile."""
        return json.dumps({"key": self.key, "files": {**_files(), **self.files}}, indent=1).encode()

    def recall(self, folder: Path) -> tuple[Program, bytes] | None:
        """The program of this origin that a compile left in a folder, with its record; None where there is none."""
        for path in sorted(folder.glob(f"cs_*/{RECORD}")):
            try:
                content = path.read_bytes()
                program = read_executable(path.parent) if self._holds(json.loads(content)) else None
            except (OSError, ValueError, InvalidInput, NotFound, Refused):
                continue
            if isinstance(program, Program):
                return program, content
        return None

    def _holds(self, record: Any) -> bool:
        files = record.get("files") if isinstance(record, dict) and record.get("key") == self.key else None
        return isinstance(files, dict) and all(_digest(Path(path)) == digest for path, digest in files.items())


def origin_of(
    model: PyTorchBaseModel, sample_batch: Any, entries: Sequence[Entry], params: Mapping[str, Any]
) -> Origin | None:
    """Where a program would come from; None where the model holds something that cannot be described.

    The key covers the modules with all their attributes, shapes and dtypes of weights and of the batch, the params but
    for `optimizer` and `runconfig`, numbers and texts at the top of the user's files, versions. Not covered: what
    forward() itself reads from files, the environment or a clock.
    """
    used = {name: section for name, section in params.items() if name not in _NOT_IN_THE_GRAPH}
    own = {name: value for name, value in vars(model).items() if name not in _OF_TRAINING}
    try:
        parts: list[Plain] = [
            [torch.__version__, sys.version, str(torch.get_default_dtype()), _our_code()],
            [str(entry) for entry in entries],
            _batch(sample_batch),
            described([type(model), own, model.model, used]),
            [[name, plain_values(vars(module))] for name, module in sorted(_users_modules().items())],
        ]
    except (IndescribableError, RecursionError):
        return None
    return Origin(hashlib.sha256(json.dumps(parts).encode()).hexdigest(), _files())


def _batch(sample: Any) -> Plain:
    leaves, structure = _pytree.tree_flatten(sample)
    tensors = [torch.as_tensor(leaf) if hasattr(leaf, "dtype") else leaf for leaf in leaves]
    if not all(isinstance(tensor, torch.Tensor) and tensor.dim() for tensor in tensors):
        raise IndescribableError("a batch that cannot be captured")
    return [repr(structure), *(f"{tensor.dtype} {tuple(tensor.shape[1:])}" for tensor in tensors)]


def _users_modules() -> dict[str, Any]:
    found = {name: (module, _file(module)) for name, module in list(sys.modules.items())}
    return {name: module for name, (module, file) in found.items() if file and is_users(file)}


def _file(module: Any) -> str | None:
    """Without asking a module that is imported when it is asked."""
    file = getattr(module, "__dict__", {}).get("__file__")
    return file if isinstance(file, str) else None


def _files() -> dict[str, str]:
    """The user's files that are imported: path -> sha256."""
    paths = {Path(module.__file__).resolve() for module in _users_modules().values()}
    return {str(path): digest for path in sorted(paths) if (digest := _digest(path))}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


@cache
def _our_code() -> str:
    paths = [path for part in _OURS_THAT_CAPTURE for path in sorted([*(_OURS / part).rglob("*.py"), _OURS / part])]
    return hashlib.sha256("".join(map(_digest, paths)).encode()).hexdigest()
