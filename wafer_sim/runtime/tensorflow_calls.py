"""Calls into a session, made ready once: what is fed and fetched is looked up when a call is made, not at each one.

`Session.make_callable` does so only where nothing is fed; otherwise it takes 0.2 ms of Python and of the interpreter's
lock for each call, in which the input waits too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf.config_pb2 import CallableOptions

Call = Callable[..., Sequence[Any]]


def prepared(session: Any, wanted: Sequence[Any], feeds: Sequence[Any] = ()) -> Call:
    """A call that takes an array for each of `feeds`, in its dtype, and gives an array for each tensor of `wanted`.

    An operation in `wanted` is run and gives nothing.
    """
    tensors = [each.name for each in wanted if isinstance(each, tf.Tensor)]
    operations = [each.name for each in wanted if not isinstance(each, tf.Tensor)]
    options = CallableOptions(feed=[each.name for each in feeds], fetch=tensors, target=operations)
    call: Call = session._make_callable_from_options(options)  # what Keras and tf.data call too
    return call
