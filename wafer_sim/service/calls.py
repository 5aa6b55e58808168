"""How a call ends that met a Fault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from wire.errors import Fault
from wire.status import abort


@contextmanager
def answering(context: grpc.ServicerContext) -> Iterator[None]:
    """A Fault raised inside ends the call with its status; the caller gets it back whole."""
    try:
        yield
    except Fault as fault:
        abort(context, fault)
