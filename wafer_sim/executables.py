"""Executables: what compile leaves in a model_dir. Data only, and checked each time it is read.

    model_dir/cs_<64 hex>/manifest.json  format, digest of the program, size and sha256 of the file
                          program.json   the program
                          ...            what the compiler has to say of it (wafer_sim/fabric/artefacts.py)

The name is the program's digest, which leaves out floating-point constants: a model that differs in its dropout rate
only is the same executable, with the constants of the latest compile.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wafer_sim.compiler.check import require_supported
from wafer_sim.compiler.program import ProgramError
from wafer_sim.compiler.reading import AnyProgram, read_program
from wafer_sim.durable import clean, write_directory
from wire.errors import InvalidInput, NotFound

FORMAT = 1
MANIFEST = "manifest.json"
PROGRAM = "program.json"
_COMPILE = "remove the directory and compile again"


def write_executable(
    model_dir: Path, program: AnyProgram, reports: Mapping[str, bytes] | None = None
) -> tuple[Path, bool]:
    """Leave a program in a model_dir: its directory, and whether an equal compile was there already.

    reports: file name -> content, what else is to be found there; that of an earlier compile goes.

    Raises Refused for a program that the wafer cannot run, Exhausted when the disk is full.
    """
    require_supported(program)
    clean(model_dir)
    target = directory(model_dir, program)
    text = program.to_json().encode()
    there = _read_if_whole(target)
    files = {PROGRAM: text, **(reports or {}), MANIFEST: _manifest(program, text)}
    if there is None or any(_content(target / name) != content for name, content in files.items()):
        write_directory(target, files)
    return target, there is not None


def directory(model_dir: Path, program: AnyProgram) -> Path:
    """Where a program's executable is, or would be."""
    return model_dir / f"cs_{program.digest()}"


def keep(store: Path, program: AnyProgram) -> tuple[str, bool]:
    """Keep a program in a service's store, constants and all: its identity, and whether it was there already.

    The identity is the sha256 of the whole program, so that two which differ in a dropout rate do not meet.
    """
    identity = hashlib.sha256(program.to_json().encode()).hexdigest()
    _, there = write_executable(store / identity, program)
    return identity, there


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
        text = (path / PROGRAM).read_bytes()
        _verify(manifest, text, path)
        program = read_program(text)
    except (ProgramError, OSError, ValueError, KeyError, TypeError) as error:
        what = f"the executable is damaged ({type(error).__name__}: {error})"
        raise InvalidInput(what, where=str(path), fix=_COMPILE) from error
    if path.name != f"cs_{program.digest()}":
        raise InvalidInput("the executable is not the one its name says", where=str(path), fix=_COMPILE)
    require_supported(program)
    return program


def _verify(manifest: dict[str, Any], text: bytes, path: Path) -> None:
    if manifest["format"] != FORMAT:
        what = f"an executable of format {manifest['format']}; this version reads {FORMAT}"
        raise InvalidInput(what, where=str(path), fix=_COMPILE)
    if hashlib.sha256(text).hexdigest() != manifest["sha256"]:
        raise InvalidInput("the file is not what was written", where=str(path / PROGRAM), fix=_COMPILE)


def _read_if_whole(path: Path) -> AnyProgram | None:
    try:
        return read_executable(path)
    except (NotFound, InvalidInput):
        return None


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _manifest(program: AnyProgram, text: bytes) -> bytes:
    content = {
        "format": FORMAT,
        "digest": program.digest(),
        "entries": sorted(map(str, program.graphs)),
        "bytes": len(text),
        "sha256": hashlib.sha256(text).hexdigest(),
    }
    return json.dumps(content, indent=1, sort_keys=True).encode()
