"""What Python and TensorFlow had at that time and dropped since."""

from __future__ import annotations

import inspect
from collections import namedtuple
from types import ModuleType
from typing import Any

ArgSpec = namedtuple("ArgSpec", ["args", "varargs", "keywords", "defaults"])


def getargspec(function: Any) -> Any:
    """`inspect.getargspec` as Python had it until 3.10: names, *args, **kwargs and defaults of a function.

    A class is described by its `__new__` or `__init__`, as namedtuples of that time needed. Raises ValueError for a
    function with keyword-only arguments, as it always did.
    """
    if isinstance(function, type):
        function = getattr(function, "__new__" if "__new__" in vars(function) else "__init__")
    full = inspect.getfullargspec(function)
    if full.kwonlyargs:
        raise ValueError("Function has keyword-only parameters; use inspect.signature()")
    return ArgSpec(full.args, full.varargs, full.varkw, full.defaults)


def give_back_to_inspect() -> None:
    """Put `getargspec` where it was."""
    if not hasattr(inspect, "getargspec"):
        inspect.getargspec = getargspec  # type: ignore[attr-defined]  # that is the point


def give_back_to_tensorflow(tensorflow: ModuleType) -> None:
    """Put `tf.estimator` where it was."""
    if not hasattr(tensorflow, "estimator"):
        from compat.tensorflow import tf_estimator

        tensorflow.estimator = tf_estimator  # type: ignore[attr-defined]  # that is the point
