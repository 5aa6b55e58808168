"""The user's own line: which line of model.py an operation or an error comes from."""

from __future__ import annotations

import importlib.util
import re
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from wire.errors import Fault, InvalidInput

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')
_PACKAGES = Path(__file__).resolve().parents[1]


def _homes(*packages: str) -> Iterator[str]:
    """Where packages live; they are not imported."""
    found = [importlib.util.find_spec(package) for package in packages]
    yield from (str(Path(spec.origin).resolve().parent) for spec in found if spec is not None and spec.origin)


_NOT_THE_USERS = (
    *_homes("torch", "tensorflow", "tf_keras"),
    sysconfig.get_path("stdlib"),
    sysconfig.get_path("purelib"),
    sysconfig.get_path("platlib"),
    *(str(_PACKAGES / name) for name in ("clients/pytorch", "clients/tensorflow", "wire", "streamer", "wafer_sim")),
    *map(str, (_PACKAGES / "clients").glob("*.py")),
    "<",
)


def user_line(stack_trace: str) -> str:
    """ "model.py:41" for the innermost frame that is the user's own; "" where no frame is."""
    return innermost((m["file"], int(m["line"])) for m in _FRAME.finditer(stack_trace))


def user_line_of(error: BaseException) -> str:
    """The user's line that an exception went through last; "" for one that never met the user's code."""
    frames = traceback.extract_tb(error.__traceback__)
    return innermost((frame.filename, frame.lineno or 0) for frame in frames)


def calling_line() -> str:
    """The user's line that is being run; "" where there is none."""
    return innermost((frame.filename, frame.lineno or 0) for frame in traceback.extract_stack()[:-1])


def is_users(file: str) -> bool:
    """Whether a file is the user's own, neither of a library nor of this project's machinery."""
    return not file.startswith(_NOT_THE_USERS)


def innermost(frames: Iterable[tuple[str, int]]) -> str:
    """ "model.py:41" for the last of some (file, line) that is the user's own; "" where none is."""
    own = [f"{Path(file).name}:{line}" for file, line in frames if is_users(file)]
    return own[-1] if own else ""


@contextmanager
def model_errors(doing: str) -> Iterator[None]:
    """What a user's own code raises, as an InvalidInput that names their line. doing: one word, for the message."""
    try:
        yield
    except Fault:
        raise
    except Exception as error:
        what = f"{type(error).__name__} while {doing}: {_first_line(error)}"
        where = user_line_of(error) or user_line(str(error))
        raise InvalidInput(what, where=where, fix="mend this line; --traceback shows more") from error


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")
