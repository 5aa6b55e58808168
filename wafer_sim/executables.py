"""Executables: what compile leaves in a model_dir. Data only, and checked each time it is read.

    model_dir/cs_<64 hex>/manifest.json  format, digest of the program, size and sha256 of the file
                          program.json   the program
                          optimizer.json the optimizer of a PyTorch program in training
                          ...            what the compiler has to say of it (wafer_sim/fabric/artefacts.py)

The name is the program's digest, and the optimizer's type. It leaves constants out: a model that differs in its dropout
or learning rate only is the same executable, into which the constants of the latest compile are patched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from wafer_sim.compiler.check import require_supported
from wafer_sim.compiler.constants import changes, optimizer_changes
from wafer_sim.compiler.program import ProgramError
from wafer_sim.compiler.reading import AnyProgram, read_program
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.durable import clean, write_directory
from wire.errors import InvalidInput, NotFound

FORMAT = 1
MANIFEST = "manifest.json"
PROGRAM = "program.json"
OPTIMIZER = "optimizer.json"
_COMPILE = "remove the directory and compile again"


class Written(NamedTuple):
    """An executable that was left.

    path: its directory. cached: whether an equal compile was there already. patched: the constants that were other
    ones there, a phrase each.
    """

    path: Path
    cached: bool
    patched: tuple[str, ...] = ()


def write_executable(
    model_dir: Path, program: AnyProgram, reports: Mapping[str, bytes] | None = None, optimizer: str = ""
) -> Written:
    """Leave a program in a model_dir.

    reports: file name -> content, what else is to be found there; that of an earlier compile goes. optimizer: JSON of
    its spec, for a PyTorch program in training.

    Raises Refused for a program that the wafer cannot run, Exhausted when the disk is full.
    """
    require_supported(program)
    clean(model_dir)
    target = directory(model_dir, program, optimizer)
    there = _read_if_whole(target)
    patched = _patched(there, target, program, optimizer) if there is not None else []
    held = {PROGRAM: program.to_json().encode(), **({OPTIMIZER: optimizer.encode()} if optimizer else {})}
    files = {**held, **(reports or {}), MANIFEST: _manifest(program, held)}
    if there is None or any(_content(target / name) != content for name, content in files.items()):
        write_directory(target, files)
    return Written(target, there is not None, tuple(patched))


def directory(model_dir: Path, program: AnyProgram, optimizer: str | bytes = "") -> Path:
    """Where a program's executable is, or would be."""
    digest = program.digest()
    if optimizer:
        kind = OptimizerSpec.from_json(optimizer).optimizer_type
        digest = hashlib.sha256(f"{digest} {kind}".encode()).hexdigest()
    return model_dir / f"cs_{digest}"


def keep(store: Path, program: AnyProgram) -> tuple[str, bool]:
    """Keep a program in a service's store, constants and all: its identity, and whether it was there already.

    The identity is the sha256 of the whole program, so that two which differ in a dropout rate do not meet.
    """
    identity = hashlib.sha256(program.to_json().encode()).hexdigest()
    return identity, write_executable(store / identity, program).cached


def kept(store: Path, identity: str) -> AnyProgram:
    """A program that `keep` kept. Raises NotFound, InvalidInput, Refused."""
    found = sorted((store / identity).glob("cs_*"))
    if not found:
        raise NotFound(f"this service holds no executable {identity[:12]}...", fix="compile the program first")
    return read_executable(found[0])


def read_executable(path: Path) -> AnyProgram:
    """Read an executable's directory. Raises NotFound, InvalidInput for a damaged one, Refused for a forbidden one."""
    if not (path / MANIFEST).is_file():
        raise NotFound("this is no executable", where=str(path), fix="name a cs_<digest> directory of a model_dir")
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        text, optimizer = (path / PROGRAM).read_bytes(), _content(path / OPTIMIZER) or b""
        _verify(manifest, text, optimizer, path)
        program = read_program(text)
    except (ProgramError, OSError, ValueError, KeyError, TypeError) as error:
        what = f"the executable is damaged ({type(error).__name__}: {error})"
        raise InvalidInput(what, where=str(path), fix=_COMPILE) from error
    if path != directory(path.parent, program, optimizer):
        raise InvalidInput("the executable is not the one its name says", where=str(path), fix=_COMPILE)
    require_supported(program)
    return program


def read_optimizer(path: Path) -> OptimizerSpec | None:
    """The optimizer of an executable that `read_executable` reads; None where it has none."""
    content = _content(path / OPTIMIZER)
    return OptimizerSpec.from_json(content) if content else None


def _patched(there: AnyProgram, target: Path, program: AnyProgram, optimizer: str) -> list[str]:
    before = read_optimizer(target)
    after = OptimizerSpec.from_json(optimizer) if optimizer else None
    differing = optimizer_changes(before, after) if before is not None and after is not None else []
    return [*differing, *changes(there, program)]


def _verify(manifest: dict[str, Any], text: bytes, optimizer: bytes, path: Path) -> None:
    if manifest["format"] != FORMAT:
        what = f"an executable of format {manifest['format']}; this version reads {FORMAT}"
        raise InvalidInput(what, where=str(path), fix=_COMPILE)
    for name, content, key in ((PROGRAM, text, "sha256"), (OPTIMIZER, optimizer, "optimizer_sha256")):
        if (content or name == PROGRAM) and hashlib.sha256(content).hexdigest() != manifest.get(key):
            raise InvalidInput("the file is not what was written", where=str(path / name), fix=_COMPILE)


def _read_if_whole(path: Path) -> AnyProgram | None:
    try:
        return read_executable(path)
    except (NotFound, InvalidInput):
        return None


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _manifest(program: AnyProgram, held: Mapping[str, bytes]) -> bytes:
    text, optimizer = held[PROGRAM], held.get(OPTIMIZER)
    content = {
        "format": FORMAT,
        "digest": program.digest(),
        "entries": sorted(map(str, program.graphs)),
        "bytes": len(text),
        "sha256": hashlib.sha256(text).hexdigest(),
        **({"optimizer_sha256": hashlib.sha256(optimizer).hexdigest()} if optimizer else {}),
    }
    return json.dumps(content, indent=1, sort_keys=True).encode()
