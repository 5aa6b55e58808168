"""What a user's data function is called with: seen from its signature."""

import functools
import inspect

import pytest

from streamer.input_function import MODES, InputContext, InputFunction, arguments_of
from streamer.sources import WHOLE, Shard
from wire.errors import InvalidInput

SIGNATURES = [
    (lambda: 0, (), {}),
    (lambda params: 0, ("params",), {}),
    (lambda p: 0, ("params",), {}),
    (lambda params, mode: 0, ("params", "mode"), {}),
    (lambda mode, params: 0, ("mode", "params"), {}),
    (lambda p, mode: 0, ("params", "mode"), {}),
    (lambda params, mode, input_context: 0, ("params", "mode", "input_context"), {}),
    (lambda params, input_context=None: 0, ("params", "input_context"), {}),
    (lambda params, mode="eval", input_context=None: 0, ("params", "mode", "input_context"), {}),
    (lambda params, shuffle=True: 0, ("params",), {}),
    (lambda params, shuffle=True, mode=None: 0, ("params",), {"mode": "mode"}),
    (lambda *, params, mode: 0, (), {"params": "params", "mode": "mode"}),
    (lambda params, /, *, input_context: 0, ("params",), {"input_context": "input_context"}),
    (lambda params, **others: 0, ("params",), {}),
    (lambda *everything: 0, ("params",), {}),
    (functools.partial(lambda params, mode, size: 0, size=3), ("params", "mode"), {}),
]


@pytest.mark.parametrize("number", range(len(SIGNATURES)))
def test_a_function_gets_what_its_parameters_name(number):
    """By place or by keyword; what has another name and a default keeps it; the first place is params."""
    function, places, names = SIGNATURES[number]
    told = arguments_of(inspect.signature(function))
    assert (told.by_place, told.by_name) == (places, names)


@pytest.mark.parametrize(
    "function", [lambda params, is_training: 0, lambda batch, params: 0, lambda params, *, size: 0]
)
def test_a_parameter_that_nothing_is_known_for_is_refused(function):
    """It is never filled by its place: a mode is no is_training."""
    with pytest.raises(InvalidInput, match="nobody knows"):
        InputFunction(function, {})


def test_a_function_is_called_for_a_shard():
    """Its params, its mode, and the context of the shard it makes."""

    def told(params, mode="", *, input_context=None):
        return params, mode, input_context.num_input_pipelines, input_context.input_pipeline_id

    make = InputFunction(told, {"n": 1}, MODES[1])
    assert make(Shard(2, 3)).loader == ({"n": 1}, "eval", 3, 2)
    assert make(WHOLE).loader == ({"n": 1}, "eval", 1, 0)


def test_a_context_knows_whether_it_was_asked():
    """A function that looks at which shard it makes has made it; one that looks at their number only has not."""
    made = {asks: InputFunction(lambda input_context, asks=asks: getattr(input_context, asks), {})() for asks in NAMES}
    assert {asks: told.own_shard for asks, told in made.items()} == {
        asks: asks == "input_pipeline_id" for asks in NAMES
    }


NAMES = ("num_input_pipelines", "input_pipeline_id", "num_replicas_in_sync")


def test_a_context_splits_no_batch():
    """A batch of the dataset is one of the whole step."""
    assert InputContext(Shard(1, 4)).get_per_replica_batch_size(256) == 256


def test_what_a_function_raises_names_its_line():
    """As for every code of the user's."""

    def broken(params):
        return params["no such key"]

    with pytest.raises(InvalidInput, match="KeyError: 'no such key'") as caught:
        InputFunction(broken, {})()
    assert "in broken" in caught.value.where
