"""Which function of the user's makes a loss of a batch: found on the stack, from inside the module that it calls."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Callable
from types import CodeType, FrameType, FunctionType
from typing import Any

from torch.utils import _pytree

from wire.staying import everything_seen

OfBatch = Callable[[Any], Any]


def function_of(batch: Any, frame: FrameType | None) -> OfBatch | None:
    """The innermost function from `frame` outwards that was handed the batch, ready to be called with another one.

    batch: what the loader gave; one that holds the same tensors in the same structure counts as the same. What else
    the function was handed, it is handed again. None where no function has it as an argument.
    """
    while frame is not None:
        arguments = _arguments(frame)
        place = next((i for i, value in enumerate(arguments) if is_same(value, batch)), None)
        if place is not None and (function := _function(frame.f_code)) is not None:
            return _Call(function, tuple(arguments), place)
        frame = frame.f_back
    return None


def is_same(value: Any, batch: Any) -> bool:
    """Whether a value is the batch, or holds its tensors one for one."""
    if value is batch:
        return True
    if type(value) is not type(batch):
        return False
    leaves, structure = _pytree.tree_flatten(value)
    others, other = _pytree.tree_flatten(batch)
    return (
        structure == other and len(leaves) == len(others) and all(a is b for a, b in zip(leaves, others, strict=True))
    )


class _Call:
    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...], place: int) -> None:
        self._function, self._arguments, self._place = function, arguments, place

    def __call__(self, batch: Any) -> Any:
        arguments = list(self._arguments)
        arguments[self._place] = batch
        return self._function(*arguments)


def _arguments(frame: FrameType) -> list[Any]:
    """The values of a function's positional parameters; none for one that takes others."""
    code = frame.f_code
    if code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS) or code.co_kwonlyargcount:
        return []
    names = code.co_varnames[: code.co_argcount]
    values = frame.f_locals
    return [values[name] for name in names] if all(name in values for name in names) else []


def _function(code: CodeType) -> FunctionType | None:
    with everything_seen():
        referrers = gc.get_referrers(code)
    found = [each for each in referrers if isinstance(each, FunctionType) and each.__code__ is code]
    return found[0] if len(found) == 1 else None
