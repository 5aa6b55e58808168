"""Objects as plain data that is equal where they are: of what a model is made."""

from __future__ import annotations

import functools
import hashlib
import types
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import numpy as np
import torch

Plain = str | list["Plain"]

_SCALARS = (bool, int, float, complex, str, bytes)
_SAID_BY_REPR = (
    *(*_SCALARS, type(None), type(Ellipsis), range, slice, np.generic, np.dtype),
    *(torch.dtype, torch.device, torch.layout, torch.memory_format, torch.Size),
)
_CODE = (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType)
_MOST = 1000


class IndescribableError(ValueError):
    """An object of which nothing can be said that is the same in another process."""


def described(value: Any) -> Plain:
    """An object and all that it holds. Of parameters and buffers shape and dtype, of other tensors their values too.

    Code is named, and what it closes over is described; its text is not looked at. Raises IndescribableError.
    """
    return _Description().of(value)


def plain_values(names: Mapping[str, Any]) -> Plain:
    """Those of some named values that are numbers, texts and small containers of them."""
    return [[name, described(value)] for name, value in sorted(names.items()) if _is_plain(value) and name[:2] != "__"]


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return len(value) <= _MOST and _is_plain([*value, *value.values()])
    if isinstance(value, list | tuple | set | frozenset):
        return len(value) <= _MOST and all(map(_is_plain, value))
    return isinstance(value, _SAID_BY_REPR)


class _Description:
    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, Any]] = {}
        self._classes: dict[type, list[Plain]] = {}

    def of(self, value: Any) -> Plain:
        if isinstance(value, Enum):
            return f"{_name(type(value))} {value.name}"
        if isinstance(value, _SAID_BY_REPR):
            said_by: Any = next((kind for kind in _SCALARS if isinstance(value, kind)), type(value))
            return f"{_name(type(value))} {said_by.__repr__(value)}"
        if id(value) in self._seen:
            return f"again {self._seen[id(value)][0]}"
        self._seen[id(value)] = (len(self._seen), value)
        return [_name(type(value)), *self._parts(value)]

    def _parts(self, value: Any) -> list[Plain]:
        if isinstance(value, _CODE):
            return [_name(value), *map(self.of, _closed_over(value))]
        contents = self._contents(value)
        attributes = dict(_attributes(value))
        if contents is not None:
            return [*contents, *self._pairs(attributes)]
        if not hasattr(value, "__dict__") and not hasattr(value, "__slots__"):
            raise IndescribableError(f"a {_name(type(value))} has no description")
        buffers = attributes.pop("_buffers", {}) if isinstance(value, torch.nn.Module) else {}
        return [*self._class(type(value)), *self._state(buffers), *self._pairs(attributes)]

    def _contents(self, value: Any) -> list[Plain] | None:  # noqa: PLR0911 - one return for each kind
        match value:
            case dict():
                return self._pairs(value)
            case list() | tuple():
                return [self.of(held) for held in value]
            case set() | frozenset():
                return sorted((self.of(held) for held in value), key=repr)
            case functools.partial():
                return [self.of(part) for part in (value.func, value.args, value.keywords)]
            case torch.Tensor():
                return _tensor(value, isinstance(value, torch.nn.Parameter))
            case np.ndarray():
                return [str(value.dtype), str(value.shape), _digest(value)]
        return None

    def _pairs(self, held: Mapping[Any, Any]) -> list[Plain]:
        return [[self.of(key), self.of(value)] for key, value in held.items()]

    def _class(self, kind: type) -> list[Plain]:
        if kind not in self._classes:
            self._classes[kind] = [plain_values(vars(each)) for each in kind.__mro__]
        return self._classes[kind]

    def _state(self, buffers: Mapping[str, torch.Tensor | None]) -> Iterator[Plain]:
        """Of buffers: they are parameters of a program, so their values are no part of it."""
        for name, tensor in buffers.items():
            if tensor is None or id(tensor) in self._seen:
                yield [name, self.of(tensor)]
            else:
                self._seen[id(tensor)] = (len(self._seen), tensor)
                yield [name, *_tensor(tensor, state=True)]


def _tensor(value: torch.Tensor, state: bool) -> list[Plain]:
    said: list[Plain] = [str(value.dtype), str(tuple(value.shape)), f"trained {value.requires_grad}"]
    return said if state else [*said, _digest(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())]


def _closed_over(value: Any) -> Iterator[Any]:
    if isinstance(value, types.MethodType):
        yield value.__self__
    for cell in getattr(value, "__closure__", None) or ():
        yield cell.cell_contents
    yield from getattr(value, "__defaults__", None) or ()
    yield from (getattr(value, "__kwdefaults__", None) or {}).items()


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                yield name, getattr(value, name)
    yield from getattr(value, "__dict__", {}).items()


def _name(value: Any) -> str:
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', getattr(value, '__name__', ''))}"


def _digest(array: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
