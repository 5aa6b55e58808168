"""Faults travel whole: the table to gRPC's codes, and the way back."""

import grpc
import pytest

from wire import errors
from wire.errors import Fault, Refused, StaleLease, Unreachable
from wire.status import CODES, abort, fault_of, problem_of, raised
from wire.v1 import run_pb2

ADDRESS = "localhost:9000"


class Failed(grpc.RpcError, grpc.Call):
    """A call that failed with this code, as a client sees it."""

    def __init__(self, code, details="", trailing=()):
        super().__init__(details)
        self._code, self._details, self._trailing = code, details, trailing

    def code(self):
        return self._code

    def details(self):
        return self._details

    def trailing_metadata(self):
        return self._trailing

    def initial_metadata(self):
        return ()

    def is_active(self):
        return False

    def time_remaining(self):
        return None

    def cancel(self):
        return False

    def add_callback(self, callback):
        return False


class Context:
    """A server's context that keeps what a call was ended with."""

    def set_trailing_metadata(self, metadata):
        self.trailing = metadata

    def abort(self, code, details):
        raise Failed(code, details, self.trailing)


def leaves():
    """Every leaf of the error tree."""
    return [leaf for leaf in vars(errors).values() if isinstance(leaf, type) and leaf.__base__ is Fault]


def test_every_leaf_has_a_code_of_its_own():
    """The table is complete, and no two leaves share a code."""
    assert set(CODES) == set(leaves())
    assert len(set(CODES.values())) == len(CODES)


@pytest.mark.parametrize("leaf", leaves())
def test_a_fault_arrives_as_it_was_raised(leaf):
    """The caller gets the same leaf with the same what, where and fix."""
    with pytest.raises(Failed) as failed:
        abort(Context(), leaf("no such stream", where="stream 3", fix="start a worker"))
    assert failed.value.code() is CODES[leaf]
    fault = raised(failed.value, ADDRESS)
    assert type(fault) is leaf
    assert (fault.what, fault.where, fault.fix) == ("no such stream", "stream 3", "start a worker")


def test_a_packages_own_leaf_travels_as_the_one_it_hangs_under():
    """The wire knows the six leaves only; what a package derives from them arrives as its parent."""

    class NoLease(Refused):
        pass

    assert problem_of(NoLease("stale")).kind == "Refused"
    assert type(fault_of(problem_of(NoLease("stale")))) is Refused


def test_an_unknown_kind_is_a_refusal():
    """A newer service may know more kinds; no name from the wire is looked up anywhere else."""
    assert type(fault_of(run_pb2.Problem(kind="SystemExit", what="no"))) is Refused


def test_silence_says_how_to_start_the_service():
    """An address where nobody answers is named, with the command that helps."""
    fault = raised(Failed(grpc.StatusCode.UNAVAILABLE, "connection refused"), ADDRESS)
    assert isinstance(fault, Unreachable)
    assert ADDRESS in fault.what
    assert "wafer_sim serve" in fault.fix


@pytest.mark.parametrize(
    ("code", "leaf"),
    [
        (grpc.StatusCode.DEADLINE_EXCEEDED, Unreachable),
        (grpc.StatusCode.UNAUTHENTICATED, Refused),
        (grpc.StatusCode.UNIMPLEMENTED, Refused),
        (grpc.StatusCode.INTERNAL, Refused),
    ],
)
def test_a_bare_code_becomes_the_nearest_leaf(code, leaf):
    """gRPC's own failures carry no fault; they say what gRPC said, and where."""
    fault = raised(Failed(code, "gRPC's own words"), ADDRESS)
    assert type(fault) is leaf
    assert (fault.what, fault.where) == ("gRPC's own words", ADDRESS)


def test_a_damaged_detail_is_passed_over():
    """Bytes that are no problem leave what the code says."""
    fault = raised(Failed(grpc.StatusCode.NOT_FOUND, "no run", (("problem-bin", b"\xff\xff"),)), ADDRESS)
    assert type(fault) is errors.NotFound
    assert fault.what == "no run"


def test_a_stale_lease_arrives_as_one():
    """It is a refusal to whoever knows no better, and told apart by its type, not by its words."""
    with pytest.raises(Failed) as failed:
        abort(Context(), StaleLease("another worker hosts the stream"))
    assert failed.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert type(raised(failed.value, ADDRESS)) is StaleLease
    assert issubclass(StaleLease, Refused)
