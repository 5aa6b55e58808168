"""Where the data of a params file is. What travels to workers is an absolute path."""

from __future__ import annotations

import os.path
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wire.errors import NotFound

PROJECT_MARKS = (".git", "pyproject.toml")


def resolve_data(section: dict[str, Any], name: str, params_file: Path) -> dict[str, Any]:
    """The input section with an absolute `data_dir`.

    A relative path is looked for in the current directory, then in the folder of the params file and in each folder
    above it, up to the project's top. URIs are left alone, and so is data that is never read (`use_fake_data`).
    Raises NotFound, with all that was tried.
    """
    given = section.get("data_dir")
    if given is None or section.get("use_fake_data"):
        return section
    key = f"{name}.data_dir"
    found = [_find(p, key, params_file) for p in given] if isinstance(given, list) else _find(given, key, params_file)
    return {**section, "data_dir": found}


def _find(given: str, key: str, params_file: Path) -> str:
    if "://" in given:
        return given
    tried = list(dict.fromkeys(_candidates(Path(given).expanduser(), params_file)))
    for path in tried:
        if path.exists():
            return str(path)
    what = f"{key} is {given!r}, and there is nothing there"
    raise NotFound(what, where=str(params_file), fix="tried: " + ", ".join(map(str, tried)))


def _candidates(given: Path, params_file: Path) -> Iterator[Path]:
    yield _normal(Path.cwd() / given)
    if given.is_absolute():
        return
    for folder in params_file.absolute().parents:
        yield _normal(folder / given)
        if any((folder / mark).exists() for mark in PROJECT_MARKS):
            return


def _normal(path: Path) -> Path:
    # Not resolve(): a worker may see the data under the same link, but on another disk.
    return Path(os.path.normpath(path))
