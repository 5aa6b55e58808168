"""Calling a user's model_fn and input_fn with the arguments that their signatures have."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from clients.sources import model_errors
from clients.tensorflow.cs_estimator_spec import CSEstimatorSpec
from clients.tensorflow.estimator_spec import EstimatorSpec
from clients.tensorflow.run_config import RunConfig
from wire.errors import InvalidInput

ModelFn = Callable[..., Any]
InputFn = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Model:
    """A model_fn with what every call of it gets."""

    model_fn: ModelFn
    params: dict[str, Any]
    config: RunConfig

    def build(self, features: Any, labels: Any, mode: str) -> EstimatorSpec | CSEstimatorSpec:
        """The operations of a mode, in the default graph, as model_fn gives them.

        features, labels: a tensor or a nested dict of them; labels None in prediction. Raises InvalidInput that names
        the user's line for what model_fn raises, and for a result that is no spec of this mode.
        """
        offered = {"labels": labels, "mode": mode, "params": copy.deepcopy(self.params), "config": self.config}
        parameters = list(_parameters(self.model_fn).values())
        if not parameters:
            fix = "write def model_fn(features, labels, mode, params)"
            raise InvalidInput("model_fn takes no argument", where=place(self.model_fn), fix=fix)
        wanted = _chosen(offered, {p.name: p for p in parameters[1:]}, self.model_fn)
        with model_errors("building the model"):
            _refuse_keras_3()
            spec = self.model_fn(features, **wanted)
        if not isinstance(spec, EstimatorSpec | CSEstimatorSpec):
            what = f"model_fn gives a {type(spec).__name__}"
            raise InvalidInput(what, where=place(self.model_fn), fix="return EstimatorSpec or CSEstimatorSpec")
        if spec.mode != mode:
            what = f"model_fn was called for mode {mode!r} and gives a spec for {spec.mode!r}"
            raise InvalidInput(what, where=place(self.model_fn), fix="pass mode=mode to the spec")
        return spec

    def build_plain(self, features: Any, labels: Any, mode: str) -> EstimatorSpec:
        """As `build`; a host call becomes operations of the graph."""
        spec = self.build(features, labels, mode)
        if isinstance(spec, EstimatorSpec):
            return spec
        with model_errors("making the host call"):
            return spec.as_estimator_spec()


def call_input_fn(input_fn: InputFn, params: Mapping[str, Any], mode: str, input_context: Any = None) -> Any:
    """What input_fn gives: a dataset, or features, or (features, labels).

    It gets those of params, mode and input_context that it names; one argument of any other name gets params.
    input_context: a tf.distribute.InputContext, by default that of the only pipeline. Raises InvalidInput that names
    the user's line.
    """
    offered = {
        "params": copy.deepcopy(dict(params)),
        "mode": mode,
        "input_context": input_context or tf.distribute.InputContext(),
    }
    parameters = _parameters(input_fn)
    strange = [p.name for p in parameters.values() if p.name not in offered and _is_required(p)]
    if len(strange) == 1 and "params" not in parameters:
        offered[strange[0]] = offered.pop("params")
    wanted = _chosen(offered, parameters, input_fn)
    positional = {n: wanted.pop(n) for n, p in parameters.items() if n in wanted and p.kind is p.POSITIONAL_ONLY}
    with model_errors("making the input"):
        return input_fn(*positional.values(), **wanted)


def features_and_labels(made: Any) -> tuple[Any, Any]:
    """The tensors of a batch in the default graph, from what input_fn gave; labels None where there are none.

    A dataset's iterator is initialised with the tables. Raises InvalidInput for a list or tuple that is no pair.
    """
    if isinstance(made, tf.data.Dataset):
        iterator = tf.compat.v1.data.make_initializable_iterator(made)
        tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
        made = iterator.get_next()
    if made is None:
        raise InvalidInput("input_fn gives None", where="input_fn", fix="return the dataset")
    if isinstance(made, tuple | list):
        if len(made) != 2:
            what = f"a batch of input_fn has {len(made)} parts"
            raise InvalidInput(what, where="input_fn", fix="give (features, labels); several features go into a dict")
        return made[0], made[1]
    return made, None


def rows(batch: Any) -> Any:
    """How many samples a batch has: an int where it is fixed, else a scalar tensor; 0 for a batch without tensors."""
    for leaf in tf.nest.flatten(batch):
        shape = getattr(leaf, "shape", None)
        if shape is not None and shape.rank != 0:
            fixed = None if shape.rank is None else shape[0]
            return int(fixed) if fixed is not None else tf.shape(leaf, out_type=tf.int64)[0]
    return 0


def place(function: Callable[..., Any]) -> str:
    """ "model.py:41", where a function is written; its name where nobody knows."""
    code = getattr(inspect.unwrap(getattr(function, "func", function)), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else getattr(function, "__name__", repr(function))


def _refuse_keras_3() -> None:
    """Layers of Keras 3 make variables anew for each graph, and a checkpoint's names would fit none of them."""
    loaded = sys.modules.get("tensorflow.keras")
    if loaded is not None and "tf_keras" not in Path(loaded.__file__ or "").parts:
        what = "tensorflow.keras is Keras 3 here, whose layers do not live in graphs"
        fix = "import clients.tensorflow before tensorflow, or set TF_USE_LEGACY_KERAS=1, or import tf_keras"
        raise InvalidInput(what, where="import tensorflow.keras", fix=fix)


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    if not callable(function):
        raise InvalidInput(f"{function!r} is no function", where="CerebrasEstimator", fix="pass the function itself")
    return inspect.signature(function).parameters


def _is_required(parameter: inspect.Parameter) -> bool:
    variable = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    return parameter.default is parameter.empty and not variable


def _chosen(
    offered: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter], function: Callable[..., Any]
) -> dict[str, Any]:
    """The offered arguments that a function takes. Raises InvalidInput where it wants another one."""
    missing = [p.name for p in parameters.values() if p.name not in offered and _is_required(p)]
    if missing:
        what = f"it wants an argument {missing[0]!r} that nobody gives"
        fix = f"known here: {', '.join(offered)}; give it a default value"
        raise InvalidInput(what, where=place(function), fix=fix)
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return {name: value for name, value in offered.items() if takes_all or name in parameters}
