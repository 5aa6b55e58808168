"""A user's data function: what it is called with, seen from its signature, and what it made."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from streamer.sources import WHOLE, Shard
from streamer.sources.loaders import Made
from streamer.user_code import UserFunction, call
from wire.errors import InvalidInput

MODES = ("train", "eval", "infer")
_NAMES = ("params", "mode", "input_context")
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class InputContext:
    """What an input_fn with `input_context` is told of the shard it makes, by the names of tf.distribute.InputContext.

    A batch is a global step's in all shards, and the run cuts it into its replicas' parts: so here is one replica.
    asked: whether the function looked at which shard it is.
    """

    num_replicas_in_sync = 1

    def __init__(self, shard: Shard) -> None:
        self.num_input_pipelines = shard.of
        self._number = shard.number
        self.asked = False

    @property
    def input_pipeline_id(self) -> int:
        self.asked = True
        return self._number

    def get_per_replica_batch_size(self, global_batch_size: int) -> int:
        """The samples in a batch of the dataset. Raises ValueError where they cannot be split evenly."""
        if global_batch_size % self.num_replicas_in_sync:
            raise ValueError(f"{global_batch_size} samples cannot be split among {self.num_replicas_in_sync} replicas")
        return global_batch_size // self.num_replicas_in_sync


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a function is called with, by the names in _NAMES. by_name: the function's keyword, and what it gets."""

    by_place: tuple[str, ...]
    by_name: dict[str, str]


def arguments_of(signature: inspect.Signature) -> Arguments:
    """Which of params, mode and input_context a function with this signature takes, and how.

    A parameter of one of these names gets it, and a first one of any other name gets params. One that has a default
    keeps it. Raises InvalidInput for another one that must be given.
    """
    places: list[str] = []
    names: dict[str, str] = {}
    wanted = [parameter for parameter in signature.parameters.values() if parameter.kind not in _VARIADIC]
    for number, parameter in enumerate(wanted):
        by_place = parameter.kind in _POSITIONAL and len(places) == number
        given = parameter.name if parameter.name in _NAMES else ""
        if not given and parameter.default is inspect.Parameter.empty:
            if number or not by_place or "params" in signature.parameters:
                raise _unknown(parameter.name)
            given = "params"
        if given and by_place:
            places.append(given)
        elif given:
            names[parameter.name] = given
    if not wanted and any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in signature.parameters.values()):
        places.append("params")
    return Arguments(tuple(places), names)


class InputFunction:
    """A user's data function with its params, ready to be called for any shard. mode: one of MODES."""

    def __init__(self, function: UserFunction, params: dict[str, Any], mode: str = MODES[0]) -> None:
        self._function = function
        self._given: dict[str, Any] = {"params": params, "mode": mode}
        try:
            self._arguments = arguments_of(inspect.signature(function))
        except (TypeError, ValueError):  # one without a signature, such as a built-in
            self._arguments = Arguments(("params",), {})

    def __call__(self, shard: Shard = WHOLE) -> Made:
        """What the function returns. Raises InvalidInput, with the user's own line, where it raises."""
        context = InputContext(shard)
        given = self._given | {"input_context": context}
        places = [given[name] for name in self._arguments.by_place]
        named = {name: given[what] for name, what in self._arguments.by_name.items()}
        return Made(call(self._function, *places, **named), context.asked)


def _unknown(name: str) -> InvalidInput:
    return InvalidInput(
        f"the data function must be given {name!r}, and nobody knows what that is",
        fix="let it take params, mode and input_context, or give the parameter a default",
    )
