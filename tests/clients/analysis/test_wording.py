"""What an analysis says."""

from __future__ import annotations

from clients.analysis.shapes import Brought, Setting, Shape
from clients.analysis.sizing import PIPELINE
from clients.analysis.wording import conclusion, heading, line_of
from wire.errors import InvalidInput

BROUGHT = [Brought(Shape(1, 2), 1_000.0, {PIPELINE: 2.0})]


def test_a_shape_that_could_not_be_measured_says_why() -> None:
    """The others are measured all the same."""
    assert line_of(Shape(2, 1), InvalidInput("no batch")).endswith("not measured: no batch")
    assert line_of(Shape(2, 1), Brought(Shape(2, 1), 3_000.0)).split() == ["2", "1", "3,000", "1,500"]
    assert "a node of 1 processor:" in heading(1)


def test_the_recommendation_can_be_typed() -> None:
    """It is csrun_wse with its own options, and the rate is laid beside the estimate."""
    said = "\n".join(conclusion(BROUGHT, Setting(3, 1, 2, 2_000.0, enough=False), 8_000.0))
    assert "csrun_wse --total-nodes=3 --tasks-per-node=1 --cpus-per-task=2 COMMAND   (the chief and 2 workers)" in said
    assert "Expected: 2,000 samples/s, 25.0% of the estimate: the input is the limit; 9 such nodes" in said
    assert "A worker waits most for the pipeline" in said


def test_an_input_that_keeps_up_is_said_to() -> None:
    """And where there is no estimate, nothing is laid beside the rate."""
    assert "keeps up with the estimate" in "".join(conclusion(BROUGHT, Setting(2, 1, 2, 900.0, enough=True), 900.0))
    said = list(conclusion([Brought(Shape(1, 1), 9.0)], Setting(2, 1, 1, 9.0, enough=False), None))
    assert said[0] == "Estimate of the compiler: there is none"
    assert said[2] == "Expected: 9 samples/s"
