"""The one table between our errors and gRPC's status codes, and the way a problem travels."""

from __future__ import annotations

from typing import NoReturn

import grpc
from google.protobuf.message import DecodeError

from wire.errors import Exhausted, Fault, InvalidInput, NotFound, Refused, StaleLease, Stopped, Unreachable
from wire.v1 import run_pb2

CODES: dict[type[Fault], grpc.StatusCode] = {
    InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    NotFound: grpc.StatusCode.NOT_FOUND,
    Refused: grpc.StatusCode.FAILED_PRECONDITION,
    Unreachable: grpc.StatusCode.UNAVAILABLE,
    Exhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Stopped: grpc.StatusCode.CANCELLED,
}
# What is derived comes before what it hangs under: the first that fits names the fault.
_NEAREST_FIRST: tuple[type[Fault], ...] = (StaleLease, *CODES)
_KINDS = {kind.__name__: kind for kind in _NEAREST_FIRST}
_FAULTS = {code: leaf for leaf, code in CODES.items()} | {
    grpc.StatusCode.UNAUTHENTICATED: Refused,
    grpc.StatusCode.UNIMPLEMENTED: Refused,
    grpc.StatusCode.DEADLINE_EXCEEDED: Unreachable,
}
_DETAIL = "problem-bin"


def problem_of(fault: Fault) -> run_pb2.Problem:
    """The fault as it travels, under the name of its nearest kind in wire/errors.py."""
    name = next((name for name, kind in _KINDS.items() if isinstance(fault, kind)), Refused.__name__)
    return run_pb2.Problem(kind=name, what=fault.what, where=fault.where, fix=fault.fix)


def fault_of(problem: run_pb2.Problem) -> Fault:
    """The fault that a problem describes; an unknown kind is a Refused."""
    return _KINDS.get(problem.kind, Refused)(problem.what, where=problem.where, fix=problem.fix)


def abort(context: grpc.ServicerContext, fault: Fault) -> NoReturn:
    """End a call with this fault; the caller's `raised` gives it back whole."""
    code = next((code for kind, code in CODES.items() if isinstance(fault, kind)), grpc.StatusCode.UNKNOWN)
    context.set_trailing_metadata(((_DETAIL, problem_of(fault).SerializeToString()),))
    context.abort(code, fault.what)
    raise AssertionError("abort returns to nobody")


def raised(error: grpc.RpcError, address: str) -> Fault:
    """The fault behind a failed call to `address`."""
    if not isinstance(error, grpc.Call):
        return Unreachable(str(error), where=address)
    if fault := _carried(error):
        return fault
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return Unreachable(
            f"nobody answers at {address}", fix="start it with `wafer_sim serve`, or name another address"
        )
    return _FAULTS.get(error.code(), Refused)(error.details() or error.code().name, where=address)


def _carried(error: grpc.Call) -> Fault | None:
    for key, value in error.trailing_metadata() or ():
        if key == _DETAIL and isinstance(value, bytes):
            try:
                return fault_of(run_pb2.Problem.FromString(value))
            except DecodeError:  # the code and its details still say something
                return None
    return None
