"""How many tasks of which size are tried, and what is recommended of what they brought."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.analysis.shapes import MOST_TASKS, Brought, Setting, Shape, nodes_for, recommended, shapes_of

NODE = [
    Brought(Shape(1, 1), 100.0),
    Brought(Shape(1, 4), 150.0),
    Brought(Shape(2, 2), 260.0),
    Brought(Shape(4, 1), 320.0),
]


@given(cpus=st.integers(1, 256))
def test_what_is_tried_fits_the_node(cpus: int) -> None:
    """No processor is given away twice, and one task on one processor is always among them."""
    shapes = shapes_of(cpus)
    assert Shape(1, 1) in shapes
    assert all(shape.tasks * shape.cpus <= cpus and shape.tasks <= MOST_TASKS for shape in shapes)
    assert len(set(shapes)) == len(shapes)


def test_two_processors_are_one_task_or_two() -> None:
    """And one task on one of them shows what a second processor is worth."""
    assert shapes_of(2) == [Shape(1, 1), Shape(1, 2), Shape(2, 1)]
    assert shapes_of(28)[-1] == Shape(16, 1)


def test_the_least_that_is_enough_is_recommended() -> None:
    """One task of all is the chief, which brings nothing."""
    assert recommended(NODE, 4, 70.0) == Setting(1, 2, 1, 70.0, enough=True)
    assert recommended(NODE, 4, 240.0) == Setting(1, 4, 1, 240.0, enough=True)
    assert recommended(NODE, 4, 250.0).nodes == 2


def test_where_nothing_is_enough_the_most_is_recommended() -> None:
    """Its rate is what it brings, and what would be enough can be said."""
    most = recommended(NODE, 2, 10_000.0)
    assert most == Setting(2, 4, 1, 560.0, enough=False)
    assert most.workers == 7
    assert nodes_for(most, 10_000.0) == 32
    assert (32 * 4 - 1) * 80.0 >= 10_000.0 > (31 * 4 - 1) * 80.0


def test_without_an_estimate_as_much_as_there_is() -> None:
    """Nobody knows what would be enough."""
    assert recommended(NODE, 1, None) == Setting(1, 4, 1, 240.0, enough=False)


def test_a_single_processor_is_shared_with_the_chief() -> None:
    """A run needs a worker."""
    only = [Brought(Shape(1, 1), 50.0)]
    assert recommended(only, 1, None) == Setting(1, 2, 1, 50.0, enough=False)
    assert recommended(only, 3, 90.0) == Setting(3, 1, 1, 90.0, enough=True)


def test_as_good_is_what_takes_fewer_processors() -> None:
    """A rate that is a few percent lower is within what measuring varies."""
    close = [Brought(Shape(2, 1), 198.0), Brought(Shape(2, 2), 200.0)]
    assert recommended(close, 1, None).cpus == 1


@pytest.mark.parametrize("nodes", [1, 2, 5])
@given(wanted=st.floats(1.0, 1e6))
def test_what_is_said_to_be_enough_is(nodes: int, wanted: float) -> None:
    """Never more nodes than there are; never more than is wanted."""
    setting = recommended(NODE, nodes, wanted)
    assert setting.nodes <= nodes
    assert setting.rate <= wanted
    assert setting.enough == (setting.rate == wanted)
