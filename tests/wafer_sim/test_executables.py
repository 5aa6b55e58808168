"""Executables in a model_dir."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from wafer_sim.compiler.program import EVALUATE, Entry, Graph, Node, Program, Ref, Tensor
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.executables import read_executable, read_optimizer, write_executable
from wire.errors import InvalidInput, NotFound, Refused


def program(op: str = "aten.mul.Tensor", factor: float = 0.5, width: int = 3) -> Program:
    node = Node(op, (Ref(0), factor), {}, (1,), "model.py:3")
    graph = Graph((node,), {"loss": Ref(1)})
    return Program((), (Tensor("x", (width,), "float32"),), {Entry(EVALUATE, 4): graph})


def test_a_second_identical_compile_is_a_cache_hit(tmp_path: Path) -> None:
    """The directory carries 64 hex digits, and what is in it is the program."""
    path, cached, _ = write_executable(tmp_path, program())
    assert (path.name, cached) == (f"cs_{program().digest()}", False)
    assert write_executable(tmp_path, program())[:2] == (path, True)
    assert read_executable(path) == program()


def test_another_constant_is_the_same_executable_with_the_new_constant(tmp_path: Path) -> None:
    """The key leaves constants out, so the hit must not bring back the old ones."""
    path, _, _ = write_executable(tmp_path, program(factor=0.5))
    assert write_executable(tmp_path, program(factor=0.25))[:2] == (path, True)
    assert read_executable(path) == program(factor=0.25)


def sgd(rate: float, kind: str = "sgd") -> str:
    return OptimizerSpec.from_params({"optimizer_type": kind, "learning_rate": rate}).to_json()


def test_what_was_patched_into_a_cached_compile_is_said(tmp_path: Path) -> None:
    """The learning rate and the program's constants, with the user's line; nothing where nothing changed."""
    write_executable(tmp_path, program(factor=0.5), optimizer=sgd(0.1))
    again = write_executable(tmp_path, program(factor=0.25), optimizer=sgd(0.3))
    assert again.patched == ("optimizer.learning_rate 0.1 -> 0.3", "mul at model.py:3 0.5 -> 0.25")
    assert read_optimizer(again.path) == OptimizerSpec.from_json(sgd(0.3))
    assert write_executable(tmp_path, program(factor=0.25), optimizer=sgd(0.3)) == (again.path, True, ())


def test_another_type_of_optimizer_is_another_executable(tmp_path: Path) -> None:
    """It has other state on the wafer; its constants are what may be patched."""
    one = write_executable(tmp_path, program(), optimizer=sgd(0.1))
    other = write_executable(tmp_path, program(), optimizer=sgd(0.1, "adam"))
    assert not other.cached
    assert one.path != other.path
    assert read_executable(one.path) == read_executable(other.path)


def test_a_changed_optimizer_is_found_on_reading(tmp_path: Path) -> None:
    """Its file is checked like the program's, and so is one that nobody wrote."""
    for given in (sgd(0.1), ""):
        path = write_executable(tmp_path / (given and "trained"), program(), optimizer=given).path
        (path / "optimizer.json").write_text(sgd(0.2))
        with pytest.raises(InvalidInput, match="not what was written"):
            read_executable(path)


def test_reports_are_those_of_the_latest_compile(tmp_path: Path) -> None:
    """They lie beside the program, change with it or without it, and are no reason to compile again."""
    path, _, _ = write_executable(tmp_path, program(), {"plan.json": b"1", "odd": b"x"})
    assert write_executable(tmp_path, program(), {"plan.json": b"2"})[:2] == (path, True)
    assert {file.name for file in path.iterdir()} == {"manifest.json", "program.json", "plan.json"}
    assert (path / "plan.json").read_bytes() == b"2"
    assert read_executable(path) == program()


def test_another_shape_is_another_executable(tmp_path: Path) -> None:
    """A program that differs in more than constants gets its own directory."""
    assert write_executable(tmp_path, program())[0] != write_executable(tmp_path, program(width=4))[0]


def test_a_damaged_executable_is_refused_and_compiled_anew(tmp_path: Path) -> None:
    """A changed byte is found on reading; compiling again mends it and is no hit."""
    path, _, _ = write_executable(tmp_path, program())
    file = path / "program.json"
    file.write_text(file.read_text().replace("aten.mul", "aten.add"))
    with pytest.raises(InvalidInput, match="not what was written"):
        read_executable(path)
    assert write_executable(tmp_path, program())[:2] == (path, False)
    assert read_executable(path) == program()


@pytest.mark.parametrize("file", ["manifest.json", "program.json"])
def test_a_missing_or_empty_file_is_said(tmp_path: Path, file: str) -> None:
    """Neither gives a traceback."""
    path, _, _ = write_executable(tmp_path, program())
    (path / file).write_bytes(b"")
    with pytest.raises(InvalidInput, match=r"damaged|not what was written"):
        read_executable(path)
    (path / file).unlink()
    with pytest.raises((InvalidInput, NotFound)):
        read_executable(path)


def plant(tmp_path: Path, made: Program, name: str | None = None) -> Path:
    """A directory as an attacker would make it: consistent with itself."""
    path = tmp_path / (name or f"cs_{made.digest()}")
    path.mkdir()
    text = made.to_json().encode()
    (path / "program.json").write_bytes(text)
    manifest = {"format": 1, "sha256": hashlib.sha256(text).hexdigest()}
    (path / "manifest.json").write_text(json.dumps(manifest))
    return path


def test_a_forbidden_operation_is_refused_on_both_ways(tmp_path: Path) -> None:
    """It is neither written nor read, however consistent the directory is."""
    with pytest.raises(Refused, match=r"aten\.from_file\.default at model\.py:3"):
        write_executable(tmp_path, program("aten.from_file.default"))
    with pytest.raises(Refused, match=r"aten\.from_file"):
        read_executable(plant(tmp_path, program("aten.from_file.default")))


def test_the_name_must_be_the_digest(tmp_path: Path) -> None:
    """A whole program under another one's name is not that executable."""
    with pytest.raises(InvalidInput, match="not the one its name says"):
        read_executable(plant(tmp_path, program(), f"cs_{'0' * 64}"))
