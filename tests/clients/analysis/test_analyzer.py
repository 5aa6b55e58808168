"""Whether an analysis is asked for, and what is measured then."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from clients.analysis.alone import rate_alone
from clients.analysis.analyzer import ASKED, analysed, drain_of, nodes_asked
from clients.analysis.shapes import Shape
from clients.captured import Captured
from clients.job import Job
from clients.sections import RunConfig
from streamer.pipeline import recipe_input
from streamer.recipe import Recipe
from wafer_sim.meter import WARM_UP_STEPS
from wire.errors import InvalidInput, Refused


def test_nodes_are_a_number() -> None:
    """Without the variable nothing is analysed."""
    assert nodes_asked({}) is None
    assert nodes_asked({ASKED: "3"}) == 3
    for wrong in ("0", "many", "-1"):
        with pytest.raises(InvalidInput, match="no number of nodes"):
            nodes_asked({ASKED: wrong})


def test_each_task_has_processors_of_its_own() -> None:
    """As many steps as they make in the time, after the warm-up, and a stream for each at least."""
    drain = drain_of(Shape(2, 2), [3, 5, 6, 7], batches=10.0)
    assert [list(own) for own in drain.cores] == [[3, 5], [6, 7]]
    assert (drain.workers, drain.steps) == (2, WARM_UP_STEPS + 40)
    assert drain_of(Shape(8, 1), list(range(8)), 0.0).streams == 8
    assert drain_of(Shape(8, 1), list(range(8)), 0.0).steps > WARM_UP_STEPS


def test_one_stream_alone_has_a_rate() -> None:
    """Whole batches are counted, over the time that they took."""
    recipe = Recipe.model_validate(
        {"format": "synthetic", "rows": 64, "columns": {"x": {"dtype": "uint8", "shape": [4]}}, "batch_size": 8}
    )
    assert rate_alone(recipe_input(recipe), 8, shuffle=False, seconds=0.05) > 0


def test_an_evaluation_is_not_analysed() -> None:
    """Its rate asks nothing of the input; which mode would be analysed is said."""
    job = Job({}, RunConfig(mode="eval"), Path("p.yaml"), Path("m"), "eval")
    with pytest.raises(Refused, match="training run"):
        next(analysed(cast(Captured, None), job, None, 1))
