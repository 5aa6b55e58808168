"""The state of a user's loader as bytes: JSON with tags for what JSON has not. Nothing in it is ever executed.

Numbers, texts, None and lists are themselves. Everything else is an object with one key, its tag: "dict" (pairs, so
that any key will do), "tuple", "int" (a large one), "float" (one that is not finite), "bytes", "array", "scalar" and
"tensor" (dtype, shape, bytes).
"""

from __future__ import annotations

import base64
import json
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

LARGEST = 1 << 20
"""Bytes of a state that travels."""

_SMALL_INT = 1 << 63
_ARRAYS = "biufcSU"


class StateError(ValueError):
    """A state that cannot travel, or bytes that are none."""


def state_to_bytes(state: object) -> bytes:
    """A state as bytes. Raises StateError for one with a type that cannot travel, naming it, and for a large one."""
    try:
        data = json.dumps(_plain(state), separators=(",", ":")).encode()
    except RecursionError:
        raise StateError("it is nested too deeply") from None
    if len(data) > LARGEST:
        raise StateError(f"it takes {len(data):,} bytes; the limit is {LARGEST:,}")
    return data


def state_from_bytes(data: bytes) -> Any:
    """Read what `state_to_bytes` wrote. Raises StateError."""
    if len(data) > LARGEST:
        raise StateError(f"a state of {len(data):,} bytes; the limit is {LARGEST:,}")
    try:
        return _rich(json.loads(data))
    except StateError:
        raise
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise StateError(f"these bytes are no state: {type(error).__name__}: {error}") from error


def _plain(value: Any) -> Any:
    kind = type(value)
    if value is None or kind in (bool, str):
        return value
    if kind is list:
        return [_plain(item) for item in value]
    for cls, tag, write in _WRITERS:
        if kind is cls:
            return {tag: write(value)}
    return _plain_number(value)


def _plain_number(value: Any) -> Any:
    """Python's and numpy's numbers, and torch's tensors."""
    kind = type(value)
    if kind is int:
        return value if -_SMALL_INT <= value < _SMALL_INT else {"int": hex(value)}
    if kind is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, np.generic) and value.dtype.kind in _ARRAYS:
        return {"scalar": _write_array(np.asarray(value))}
    if (torch := sys.modules.get("torch")) and kind is torch.Tensor:
        return {"tensor": _write_tensor(torch, value)}
    raise StateError(f"it holds a {kind.__module__}.{kind.__qualname__}, which cannot travel")


def _write_array(array: Any) -> list[Any]:
    if array.dtype.kind not in _ARRAYS:
        raise StateError(f"it holds an array of {array.dtype}, which cannot travel")
    return [array.dtype.str, list(array.shape), _base64(array.tobytes())]


def _write_tensor(torch: Any, tensor: Any) -> list[Any]:
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise StateError(f"it holds a {tensor.layout} tensor, which cannot travel")
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    data = flat.view(torch.uint8).numpy().tobytes() if len(flat) else b""
    return [str(tensor.dtype).removeprefix("torch."), list(tensor.shape), _base64(data)]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


_WRITERS: tuple[tuple[type, str, Callable[[Any], Any]], ...] = (
    (dict, "dict", lambda value: [[_plain(key), _plain(item)] for key, item in value.items()]),
    (tuple, "tuple", lambda value: [_plain(item) for item in value]),
    (bytes, "bytes", _base64),
    (np.ndarray, "array", _write_array),
)


def _rich(value: Any) -> Any:
    if isinstance(value, list):
        return [_rich(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((tag, content),) = value.items()
    if tag not in _READERS:
        raise StateError(f"these bytes are no state: unknown tag {tag!r}")
    return _READERS[tag](content)


def _read_array(content: list[Any]) -> Any:
    name, shape, data = content
    dtype = np.dtype(str(name))
    if dtype.kind not in _ARRAYS:
        raise StateError(f"these bytes are no state: an array of {dtype}")
    return np.frombuffer(_unbase64(data), dtype).reshape(shape).copy()


def _read_tensor(content: list[Any]) -> Any:
    name, shape, data = content
    torch = sys.modules.get("torch")
    dtype = getattr(torch, str(name), None)
    if torch is None or not isinstance(dtype, torch.dtype):
        raise StateError(f"these bytes are no state: a tensor of {name!r}")
    raw = bytearray(_unbase64(data))
    return torch.frombuffer(raw, dtype=dtype).reshape(shape) if raw else torch.empty(shape, dtype=dtype)


def _unbase64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


_READERS: dict[str, Callable[[Any], Any]] = {
    "dict": lambda pairs: {_rich(key): _rich(item) for key, item in pairs},
    "tuple": lambda items: tuple(map(_rich, items)),
    "int": lambda text: int(text, 16),
    "float": float,
    "bytes": _unbase64,
    "array": _read_array,
    "scalar": lambda content: _read_array(content)[()],
    "tensor": _read_tensor,
}
