"""A run without a model: what it takes and how its input is cut."""

from __future__ import annotations

from clients.analysis.draining import Drain, Source, consumer, plan_of
from wafer_sim.compiler.check import check_program
from wafer_sim.compiler.program import Program
from wire.elements import ElementSpec, Field, Landing

SPEC = ElementSpec((Field("image", "uint8", (4,), landing=Landing("float32", 0.5)), Field("label", "int32")))


def test_the_consumer_takes_what_lands() -> None:
    """It is a program like any other, with the dtypes after landing, and the wafer has kernels for all of it."""
    program = consumer(SPEC)
    assert [(tensor.shape, tensor.dtype) for tensor in program.inputs] == [((4,), "float32"), ((), "int32")]
    assert check_program(program) == []
    assert Program.from_json(program.to_json()) == program


def test_streams_are_no_more_than_an_epoch_has_batches() -> None:
    """A small source is read in fewer streams; one of unknown length in as many as are asked for."""
    drain = Drain(steps=1, streams=4)
    assert plan_of(Source(SPEC, 10, 29, shuffle=False), drain).streams == 2
    assert plan_of(Source(SPEC, 10, 5, shuffle=False), drain).streams == 1
    assert plan_of(Source(SPEC, 10, None, shuffle=False), drain).streams == 4
