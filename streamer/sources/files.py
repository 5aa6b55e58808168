"""Finding a source's files: plain paths and fsspec URIs, and nothing outside the data root."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import fsspec
from fsspec.core import url_to_fs

from wire.errors import InvalidInput, NotFound, Refused


def resolve(path: str | Path, data_root: Path | None = None) -> Path:
    """A local path with `~` and symlinks resolved. Raises NotFound, and Refused outside `data_root`."""
    resolved = Path(path).expanduser().resolve()
    check_inside(resolved, data_root)
    if not resolved.exists():
        raise NotFound(
            f"there is no {resolved}",
            where=f"data_dir {str(path)!r}",
            fix="check data_dir; a relative path starts at the folder the command was started in",
        )
    return resolved


def check_inside(path: Path, data_root: Path | None) -> None:
    """Raises Refused for a path that, with its symlinks resolved, is not inside `data_root`."""
    if data_root is not None and not path.resolve().is_relative_to(data_root.expanduser().resolve()):
        raise Refused(
            f"{path} is outside the data root {data_root}",
            fix="move the data inside the data root, or start the worker with another --data-root",
        )


def find(data_dir: str, suffix: str, data_root: Path | None = None) -> tuple[fsspec.AbstractFileSystem, list[str]]:
    """The files of a data_dir, sorted: itself if it is a file, what a pattern matches, or what a folder holds.

    data_dir: a path, a pattern with `*`, or an fsspec URI. suffix: which files of a folder count, as ".parquet".
    Raises NotFound where there is none, Refused for anything outside `data_root`.
    """
    if _is_remote(data_dir):
        if data_root is not None:
            raise Refused(
                f"{data_dir} is outside the data root {data_root}", fix="start the worker without --data-root"
            )
        return _find_remote(data_dir, suffix)
    paths = find_local(data_dir, lambda name: name.endswith(suffix), suffix, data_root)
    return fsspec.filesystem("file"), [str(path) for path in paths]


def find_local(data_dir: str, counts: Callable[[str], bool], kind: str, data_root: Path | None = None) -> list[Path]:
    """The files of a data_dir on this machine, sorted; as `find` does.

    counts: whether a file of a folder counts, by its name. kind: what such files are called, for the error.
    Raises NotFound where there is none, Refused for anything outside `data_root`, InvalidInput for another URI.
    """
    if _is_remote(data_dir):
        raise InvalidInput(
            f"{kind} files are read from this machine only", where=f"data_dir {data_dir!r}", fix="copy them here"
        )
    plain = data_dir.removeprefix("file://")
    paths = _list_local(plain, counts, data_root)
    for path in paths:
        check_inside(path, data_root)
    if not paths:
        raise NotFound(f"no {kind} file in {Path(plain).expanduser().resolve()}", where=f"data_dir {data_dir!r}")
    return paths


def _is_remote(data_dir: str) -> bool:
    return "://" in data_dir and not data_dir.startswith("file://")


def _list_local(plain: str, counts: Callable[[str], bool], data_root: Path | None) -> list[Path]:
    pattern = Path(plain).expanduser()
    if "*" in plain:
        anchored = pattern.absolute()
        return sorted(Path(anchored.anchor).glob(str(anchored.relative_to(anchored.anchor))))
    resolved = resolve(plain, data_root)
    return sorted(path for path in resolved.rglob("*") if counts(path.name)) if resolved.is_dir() else [resolved]


def _find_remote(uri: str, suffix: str) -> tuple[fsspec.AbstractFileSystem, list[str]]:
    try:
        system, path = url_to_fs(uri)
        single = "*" not in path and system.isfile(path)
        pattern = path if "*" in path else f"{path.rstrip('/')}/**/*{suffix}"
        paths = [path] if single else sorted(str(found) for found in system.glob(pattern))
    except (ImportError, ValueError, OSError) as error:
        raise InvalidInput(f"{uri} cannot be listed: {error}", where=f"data_dir {uri!r}") from error
    if not paths:
        raise NotFound(f"no {suffix} file in {uri}", where=f"data_dir {uri!r}")
    return system, paths
