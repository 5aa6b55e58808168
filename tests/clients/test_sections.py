"""What sections may hold."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from clients.sections import RunConfig, check
from wire.errors import InvalidInput

GOOD = {
    "train_input": {"data_dir": "x", "batch_size": 8},
    "model": {"depth": 3},
    "optimizer": {"optimizer_type": "SGD", "learning_rate": 0.1},
    "runconfig": {"max_steps": 10},
}


def problems(**changes: object) -> str:
    with pytest.raises(InvalidInput) as caught:
        check({**GOOD, **changes}, "p.yaml")
    assert caught.value.where == "p.yaml"
    return caught.value.what


def test_good_params_give_a_frozen_runconfig():
    """Checked params give the typed runconfig with defaults, and nobody can change it."""
    config = check(GOOD, "p.yaml")
    assert (config.max_steps, config.log_steps, config.mode, config.workers) == (10, 50, "train", 2)
    with pytest.raises(ValidationError):
        config.max_steps = 3


def test_an_unknown_section_is_refused_with_the_nearest():
    """A misspelt section is named with the right spelling."""
    assert "did you mean 'runconfig'" in problems(runconfg={})


def test_a_section_that_is_no_mapping_is_refused():
    """A section must be a mapping."""
    assert "model is [1]" in problems(model=[1])


def test_an_unknown_runconfig_key_is_refused_with_the_nearest():
    """A misspelt key of runconfig is named with the right spelling."""
    assert problems(runconfig={"max_stpes": 3}) == (
        "runconfig.max_stpes: there is no such key; did you mean 'max_steps'?"
    )


def test_a_near_miss_in_an_input_section_is_refused_but_a_new_key_is_not():
    """An input section may hold a loader's own keys, but not a misspelt known one."""
    assert "did you mean 'batch_size'" in problems(train_input={"batchsize": 3})
    check({**GOOD, "train_input": {"vocab_file": "v"}}, "p.yaml")


def test_the_model_section_is_free():
    """Keys that the project does not know belong to the user's model."""
    check({**GOOD, "model": {"anything": 1, "mixed_precision": False}}, "p.yaml")


@pytest.mark.parametrize(
    ("section", "key", "value", "allowed"),
    [
        ("runconfig", "max_steps", "many", "a valid integer"),
        ("runconfig", "max_steps", True, "a valid integer"),
        ("runconfig", "log_steps", 0, "greater than or equal to 1"),
        ("runconfig", "mode", "trian", "'train', 'eval' or 'train_and_eval'"),
        ("model", "mixed_precision", "yes please", "a valid boolean"),
        ("train_input", "batch_size", 2.5, "a valid integer"),
        ("csconfig", "use_cbfloat16", 1, "a valid boolean"),
    ],
)
def test_a_wrong_type_says_what_is_there_and_what_is_allowed(section, key, value, allowed):
    """The error names section.key, the value and what would do."""
    what = problems(**{section: {key: value}})
    assert f"{section}.{key} is {value!r}; it must be {allowed}" in what


def test_whole_floats_are_counts():
    """1e4 is ten thousand steps."""
    assert check({**GOOD, "runconfig": {"max_steps": 1e4}}, "p.yaml").max_steps == 10_000


def test_all_problems_are_reported_at_once():
    """Three mistakes in three sections are one error with three lines."""
    what = problems(runconfig={"seeed": 1}, model={"mixed_precision": 3}, optimizer={"optimizer_type": "adaam"})
    assert what.startswith("3 problems")
    assert all(name in what for name in ("runconfig.seeed", "model.mixed_precision", "optimizer.optimizer_type"))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_epochs": 1, "num_steps": 1}, "both set"),
        ({"validate_only": True, "compile_only": True}, "both set"),
        ({"cpu": True, "cs_ip": "localhost"}, "both set"),
        ({"num_replicas": 3}, "without runconfig.multireplica"),
        ({"is_pretrained_checkpoint": True}, "without runconfig.checkpoint_path"),
    ],
)
def test_keys_that_exclude_each_other_are_refused(config, message):
    """Contradictions are found before anything runs."""
    assert message in problems(runconfig=config)


def test_a_users_own_flags_are_no_runconfig_keys():
    """A flag of the user's own parser may lie in runconfig without being refused."""
    params = {**GOOD, "runconfig": {"max_steps": 1, "my_flag": 2}}
    assert check(params, "p.yaml", own_flags=frozenset({"my_flag"})).max_steps == 1


@pytest.mark.parametrize(
    ("config", "start", "steps", "end"),
    [
        ({"max_steps": 100}, 0, None, 100),
        ({"max_steps": 100}, 40, None, 100),
        ({"max_steps": 100}, 140, None, 140),
        ({"num_steps": 30}, 40, None, 70),
        ({"num_steps": 30, "max_steps": 50}, 40, None, 50),
        ({"num_epochs": 2}, 10, 7, 24),
        ({"num_epochs": 2, "steps_per_epoch": 5}, 10, 7, 20),
    ],
)
def test_the_last_step_is_the_smallest_bound(config, start, steps, end):
    """max_steps counts from zero, num_steps and num_epochs from where the run starts."""
    assert RunConfig(**config).last_step(start, steps) == end


@pytest.mark.parametrize("config", [{}, {"num_epochs": 3}])
def test_a_run_without_an_end_is_refused(config):
    """Without a bound, or with epochs of unknown length, there is no last step."""
    with pytest.raises(InvalidInput):
        RunConfig(**config).last_step(0, None)
