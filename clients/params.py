"""params.yaml: read, overridden from the command line, written back. What it may hold is in clients.sections."""

from __future__ import annotations

import copy
import re
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import yaml

from clients.sections import SECTIONS
from wire.errors import Exhausted, InvalidInput, NotFound, nearest

Params = dict[str, Any]
"""The whole params file: section -> key -> value."""


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses repeated keys and reads 1e-3 as the number that its writer meant."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if isinstance(key, Hashable) and key in seen:
                raise _Repeated(key, seen[key], key_node.start_mark)
            seen[key] = line
        return super().construct_mapping(node, deep)


class _Repeated(Exception):  # noqa: N818 - carries a position out of the parser, never seen by a user
    def __init__(self, key: Any, first: int, mark: yaml.Mark) -> None:
        super().__init__(key)
        self.key, self.first, self.mark = key, first, mark


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+$"), list("-+.0123456789")
)


def load(path: Path | str) -> Params:
    """Read a params file.

    Raises NotFound for a missing file and InvalidInput, with line and column, for text that is no YAML, repeats a
    key or is no mapping of sections.
    """
    file = Path(path)
    params = _parse(_text(file), str(file))
    if not isinstance(params, dict):
        what = f"a params file is a mapping of sections, this one holds {_kind(params)}"
        raise InvalidInput(what, where=str(file), fix=f"sections: {', '.join(SECTIONS)}")
    for section, content in params.items():
        if content is None:
            params[section] = {}
    return params


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFound("the params file does not exist", where=str(file.absolute()), fix=_other_files(file)) from None
    except IsADirectoryError:
        raise InvalidInput("the params file is a folder", where=str(file), fix=_other_files(file / "x")) from None
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the params file is no UTF-8 text (byte {error.start})", where=str(file)) from error
    except OSError as error:
        raise InvalidInput(f"the params file cannot be read: {error.strerror}", where=str(file)) from error


def _other_files(file: Path) -> str:
    there = sorted(p.name for p in file.absolute().parent.glob("*.y*ml"))
    return f"params files there: {', '.join(there)}" if there else "give the path of a .yaml file with --params"


def _parse(text: str, where: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - _Loader is a SafeLoader
    except _Repeated as error:
        what = f"{error.key!r} is given twice, first in line {error.first}"
        raise InvalidInput(what, where=f"{where}:{_position(error.mark)}", fix="keep one of the two") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{where}:{_position(mark)}" if mark else where
        raise InvalidInput(f"this is no YAML: {error.problem or error.context}", where=place) from None
    except yaml.YAMLError as error:
        raise InvalidInput(f"this is no YAML: {error}", where=where) from None


def _position(mark: yaml.Mark) -> str:
    return f"{mark.line + 1}:{mark.column + 1}"


def _kind(value: Any) -> str:
    return {type(None): "nothing", list: "a list", str: "a text"}.get(type(value), f"a {type(value).__name__}")


def override(params: Params, words: Sequence[str]) -> Params:
    """Apply overrides as the documents write them: `model.mixed_precision False`, `--model.mixed_precision=False`.

    Values are YAML. Returns a new dict. Raises InvalidInput for a word that names no section.key or has no value.
    """
    result = copy.deepcopy(params)
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.lstrip("-").partition("=")
        path = _path(name, word)
        if not equals:
            if not rest:
                raise InvalidInput(f"{name} has no value", where="command line", fix=f"write {name} VALUE")
            value = rest.pop(0)
        _assign(result, path, _parse(value, f"command line, {name}"))
    return result


def _path(name: str, word: str) -> list[str]:
    path = name.split(".")
    if len(path) < 2 or not all(path):
        what = f"{word!r} is no override"
        raise InvalidInput(what, where="command line", fix="write section.key VALUE, as in model.mixed_precision False")
    if path[0] not in SECTIONS:
        raise InvalidInput(f"{path[0]!r} is no section", where=f"command line, {word}", fix=nearest(path[0], SECTIONS))
    return path


def _assign(params: Params, path: list[str], value: Any) -> None:
    inner: Any = params
    for depth, key in enumerate(path[:-1], start=1):
        inner = inner.setdefault(key, {})
        if not isinstance(inner, dict):
            name = ".".join(path[:depth])
            raise InvalidInput(f"{name} is {_kind(inner)}, so it has no key {path[depth]!r}", where="command line")
    inner[path[-1]] = value


def dump(params: Params, model_dir: Path, mode: str) -> Path:
    """Write the params in force to model_dir/<mode>/params_<mode>.yaml and return that path."""
    path = model_dir / mode / f"params_{mode}.yaml"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    except OSError as error:
        what = f"the params in force cannot be written: {error.strerror}"
        raise Exhausted(what, where=str(path), fix="choose another folder with --model_dir") from error
    return path
