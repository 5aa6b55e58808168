"""The optimizer section of params as data."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wafer_sim.compiler.training import HYPER_PARAMETERS, OptimizerSpec
from wire.errors import InvalidInput

PIECES = {"scheduler": "PiecewiseConstant", "values": [0.1, 0.01, 0.001]}


@pytest.mark.parametrize("kind", sorted(HYPER_PARAMETERS))
def test_every_type_reads_its_defaults_and_survives_json(kind: str) -> None:
    """A section with a type and a rate is complete, in any case of letters, and the spec travels as JSON."""
    spec = OptimizerSpec.from_params({"optimizer_type": kind.upper(), "learning_rate": 0.1})
    assert spec.hyper == HYPER_PARAMETERS[kind]
    assert OptimizerSpec.from_json(spec.to_json()) == spec


def test_the_fc_mnist_section_reads() -> None:
    """The section as the documents print it."""
    section = {"optimizer_type": "SGD", "learning_rate": 0.001, "momentum": 0.9, "loss_scaling_factor": 1.0}
    spec = OptimizerSpec.from_params(section)
    assert (spec.optimizer_type, spec.hyper["momentum"]) == ("sgd", 0.9)


@given(rate=st.floats(1e-12, 10), beta1=st.floats(0, 0.999))
def test_numbers_may_be_written_as_strings(rate: float, beta1: float) -> None:
    """YAML reads 1e-5 as a string; it is the number it looks like, and JSON keeps every bit of it."""
    spec = OptimizerSpec.from_params({"optimizer_type": "adam", "learning_rate": repr(rate), "beta1": repr(beta1)})
    assert spec.learning_rate[0].learning_rate == rate
    assert OptimizerSpec.from_json(spec.to_json()).hyper["beta1"] == beta1


def test_aliases_are_the_same_key() -> None:
    """betas, epsilon and weight_decay are other names of beta1 and beta2, eps and weight_decay_rate."""
    named = {"beta1": 0.8, "beta2": 0.9, "eps": 1e-7, "weight_decay_rate": 0.01}
    other = {"betas": [0.8, 0.9], "epsilon": 1e-7, "weight_decay": 0.01}
    base = {"optimizer_type": "adam", "learning_rate": 0.1}
    assert OptimizerSpec.from_params(base | named) == OptimizerSpec.from_params(base | other)


@pytest.mark.parametrize(
    ("section", "where", "said"),
    [
        ({"optimizer_type": "adm", "learning_rate": 1}, "optimizer.optimizer_type", "did you mean 'adam'?"),
        ({"learning_rate": 1}, "optimizer.optimizer_type", "'optimizer_type' is missing"),
        ({"optimizer_type": "sgd"}, "optimizer.learning_rate", "'learning_rate' is missing"),
        ({"optimizer_type": "sgd", "learning_rate": 1, "momentun": 0.9}, "optimizer.momentun", "'momentum'"),
        ({"optimizer_type": "sgd", "learning_rate": 1, "beta1": 0.9}, "optimizer.beta1", "sgd has no key 'beta1'"),
        ({"optimizer_type": "sgd", "learning_rate": "fast"}, "optimizer.learning_rate", "valid number"),
        ({"optimizer_type": "sgd", "learning_rate": True}, "optimizer.learning_rate", "not a yes or no"),
        ({"optimizer_type": "sgd", "learning_rate": []}, "optimizer.learning_rate", "empty"),
        ({"optimizer_type": "adam", "learning_rate": 1, "beta1": 1.5}, "optimizer", "less than 1"),
        ({"optimizer_type": "adam", "learning_rate": 1, "amsgrad": 3}, "optimizer", "yes or no"),
        ({"optimizer_type": "adam", "learning_rate": 1, "betas": 3}, "optimizer.betas", "two numbers"),
        ({"optimizer_type": "adafactor", "learning_rate": 1, "relative_step": True}, "optimizer", "release 1.6"),
        ({"optimizer_type": "adamw", "learning_rate": 1, "amsgrad": True}, "optimizer", "needs correct_bias: True"),
        ({"optimizer_type": "sgd", "learning_rate": 1, "use_nesterov": True}, "optimizer", "needs a momentum"),
        ({"optimizer_type": "sgd", "learning_rate": 1, "max_gradient_norm": -1}, "optimizer", "greater than or equal"),
        (
            {"optimizer_type": "sgd", "learning_rate": PIECES | {"boundaries": [5]}},
            "optimizer.learning_rate",
            "1 boundaries need 2 values",
        ),
        (
            {"optimizer_type": "sgd", "learning_rate": PIECES | {"boundaries": [9, 5]}},
            "optimizer.learning_rate",
            "boundaries must rise",
        ),
        (
            {"optimizer_type": "sgd", "learning_rate": 1, "max_gradient_norm": 1, "max_gradient_value": 1},
            "optimizer",
            "not by both",
        ),
        (
            {"optimizer_type": "sgd", "learning_rate": {"scheduler": "Lambda", "learning_rate": 1}},
            "optimizer.learning_rate.scheduler",
            "code does not travel",
        ),
        (
            {"optimizer_type": "sgd", "learning_rate": {"scheduler": "CosinDecay"}},
            "optimizer.learning_rate.scheduler",
            "'CosineDecay'",
        ),
        (
            {"optimizer_type": "sgd", "learning_rate": {"scheduler": "Step", "step_sise": 3}},
            "optimizer.learning_rate.step_sise",
            "'step_size'",
        ),
        (
            {"optimizer_type": "sgd", "learning_rate": [0.1, 0.2]},
            "optimizer.learning_rate[0]",
            "for how long",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_key(section: dict[str, Any], where: str, said: str) -> None:
    """Each mistake names its key and the way out."""
    with pytest.raises(InvalidInput) as caught:
        OptimizerSpec.from_params(section)
    assert caught.value.where.startswith(where)
    assert said in str(caught.value)


def test_json_that_is_no_spec_is_refused() -> None:
    """What arrives over the wire is checked like what comes from params."""
    for text in ("[]", "{", '{"optimizer_type": "sgd", "learning_rate": [], "hyper": {}}'):
        with pytest.raises(InvalidInput):
            OptimizerSpec.from_json(text)
