"""RunConfig and CSRunConfig."""

from __future__ import annotations

import json

import pytest

from clients.tensorflow import CSRunConfig, RunConfig
from wire.errors import InvalidInput


def test_the_defaults_are_those_of_tf_estimator():
    """Who sets nothing gets what tf.estimator gave."""
    config = RunConfig()
    assert (config.tf_random_seed, config.keep_checkpoint_max, config.log_step_count_steps) == (1, 5, 100)
    assert (config.save_checkpoints_secs, config.save_checkpoints_steps, config.save_summary_steps) == (600, None, 100)
    assert RunConfig(save_checkpoints_steps=3).save_checkpoints_secs is None


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"save_sumary_steps": 3}, "did you mean 'save_summary_steps'"),
        ({"save_checkpoints_steps": 1, "save_checkpoints_secs": 1}, "both set"),
        ({"keep_checkpoint_max": "2"}, "must be a whole number"),
        ({"save_summary_steps": -1}, "must be a whole number"),
        ({"train_distribute": object()}, "--multireplica"),
    ],
)
def test_wrong_keys_are_refused(keys, message):
    """Each error says what to write."""
    with pytest.raises(InvalidInput, match=message):
        CSRunConfig(**keys)


def test_a_copy_keeps_what_is_not_replaced():
    """replace changes some keys; the system's own keys stay."""
    config = CSRunConfig("10.0.0.1", stack_params={"a": 1}, model_dir="m", save_checkpoints_steps=5)
    copy = config.replace(keep_checkpoint_max=1)
    assert isinstance(copy, CSRunConfig)
    assert (copy.cs_ip, copy.stack_params, copy.model_dir) == ("10.0.0.1", {"a": 1}, "m")
    assert (copy.save_checkpoints_steps, copy.keep_checkpoint_max, config.keep_checkpoint_max) == (5, 1, 5)


@pytest.mark.parametrize(
    ("environment", "task"),
    [
        ({}, 0),
        ({"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4"}, 3),
        ({"TF_CONFIG": "{}", "SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "4"}, 2),
        ({"TF_CONFIG": json.dumps({"task": {"type": "chief", "index": 0}}), "SLURM_PROCID": "9"}, 0),
        ({"TF_CONFIG": json.dumps({"task": {"type": "worker", "index": 4}})}, 5),
    ],
)
def test_a_task_knows_its_place(monkeypatch, environment, task):
    """TF_CONFIG says it, else Slurm; the chief is task 0 and workers follow it."""
    for name in ("TF_CONFIG", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert CSRunConfig().task_id == task
    assert CSRunConfig().is_chief == (task == 0)


def test_a_tf_config_that_is_no_json_is_refused(monkeypatch):
    """The variable is named."""
    monkeypatch.setenv("TF_CONFIG", "{")
    with pytest.raises(InvalidInput, match="TF_CONFIG is no JSON"):
        _ = CSRunConfig().task_id
