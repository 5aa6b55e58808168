"""User code: the one place that loads a person's own Python file, named on the worker's own command line."""

from __future__ import annotations

import importlib
import re
import site
import sys
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from wire.errors import Fault, InvalidInput, NotFound, nearest
from wire.staying import staying

UserFunction = Callable[..., Any]

_TRACED = "__autograph_generated_file"
_FRAME = re.compile(r'File "([^"]+)", line (\d+), in (\S+)')
_NODES = re.compile(r"^\{\{function_node [^}]*\}\} ?|\s*\[\[\{.*\}\]\]|\s*\[Op:\w+\](?: name:.*)?")
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\)|^in user code:", re.MULTILINE)
_ERROR = re.compile(r"[A-Za-z_.]*(?:Error|Exception|Fault): ")


def load_function(reference: str, default_name: str) -> UserFunction:
    """The function that `path/data.py`, `path/data.py:function` or `package.module:function` names.

    Without a function name `default_name` is taken. The file's folder goes on sys.path, so that the file imports
    its neighbours. Raises NotFound for a missing file or function, InvalidInput where importing it fails.
    """
    place, name = _split(reference)
    module = _load_file(Path(place)) if place.endswith(".py") else _load_module(place)
    function = getattr(module, name or default_name, None)
    if not callable(function):
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise NotFound(
            f"{place} has no function {name or default_name!r}",
            where=reference,
            fix=nearest(name or default_name, known),
        )
    return function  # type: ignore[no-any-return]  # what a user's module holds has no type


def call(function: UserFunction, *arguments: object, **named: object) -> Any:
    """What a user's function returns. What it raises is raised as InvalidInput with their own line."""
    try:
        return function(*arguments, **named)
    except Fault:
        raise
    except Exception as error:
        raise user_fault(error, f"{getattr(function, '__name__', 'the function')} was called") from error


def blame(error: BaseException) -> str:
    """The user's own line behind an exception: "data.py:41 in __getitem__"; else the last line of all."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not is_library(frame.filename)] or list(frames)[-1:]
    return f"{own[-1].filename}:{own[-1].lineno} in {own[-1].name}" if own else ""


def user_fault(error: Exception, doing: str) -> InvalidInput:
    """A person's exception as an error of ours: its type and message, what was being done, and their line."""
    what, line = told(error)
    return InvalidInput(what, where=line or blame(error), fix=f"it was raised while {doing}")


def told(error: BaseException) -> tuple[str, str]:
    """The type and message of an error, and the user's line that the message names, if it names one.

    TensorFlow's messages begin and end with names of nodes, and may hold the whole traceback of a Python function that
    it called, or traced; of these only the last error is told.
    """
    message = str(error)
    frames = [frame for frame in _FRAME.findall(message) if not is_library(frame[0])]
    where = "{}:{} in {}".format(*frames[-1]) if frames else ""
    short = _NODES.sub("", message).strip()
    if _TRACEBACK.search(message):
        lines = [line.strip() for line in short.splitlines() if line.strip()]
        errors = [line for line in lines if _ERROR.match(line)]
        return (errors or lines)[0], where
    return f"{type(error).__name__}: {short}", where


def _split(reference: str) -> tuple[str, str]:
    place, colon, name = reference.rpartition(":")
    return (place, name) if colon and not name.endswith(".py") else (reference, "")


def _load_file(path: Path) -> ModuleType:
    resolved = path.expanduser().resolve()
    if not resolved.is_file():
        raise NotFound(f"there is no file {resolved}", where=str(path))
    sys.path[:0] = [str(resolved.parent)] if str(resolved.parent) not in sys.path else []
    loaded = sys.modules.get(resolved.stem)
    if loaded is not None and Path(getattr(loaded, "__file__", None) or "").resolve() != resolved:
        raise InvalidInput(
            f"a module named {resolved.stem!r} is loaded already", where=str(resolved), fix="give the file another name"
        )
    return _load_module(resolved.stem)


def _load_module(name: str) -> ModuleType:
    importlib.invalidate_caches()
    try:
        with staying():
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            raise NotFound(
                f"there is no module {name!r}", fix="run from its folder, or name the file: path/data.py"
            ) from error
        raise _import_fault(error) from error
    except Exception as error:
        raise _import_fault(error) from error


def _import_fault(error: Exception) -> InvalidInput:
    where = f"{error.filename}:{error.lineno}" if isinstance(error, SyntaxError) else blame(error)
    return InvalidInput(f"{type(error).__name__}: {error}", where=where, fix="it was raised while importing the file")


def is_library(filename: str) -> bool:
    """Whether a file is no user's own: of Python, of an installed package, or of the streamer."""
    own = str(Path(__file__).parent)
    places = [own, sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), *site.getsitepackages()]
    return filename.startswith("<") or _TRACED in filename or any(filename.startswith(place) for place in places)
