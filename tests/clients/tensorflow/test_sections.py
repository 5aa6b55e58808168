"""What the sections of a TensorFlow project may hold."""

from __future__ import annotations

import pytest

from clients.tensorflow.sections import check
from wire.errors import InvalidInput

GOOD = {"train_input": {"data_dir": "x", "batch_size": 8}, "model": {}, "optimizer": {"beta1": 0.9}}


def test_the_keys_of_the_documents_are_taken():
    """Every key that CSoft ships for TensorFlow has its type."""
    keys = {"max_steps": 1e5, "save_summary_steps": 500, "save_checkpoints_steps": 10000, "keep_checkpoint_max": 2}
    more = {"model_dir": "m", "cs_ip": "h", "multireplica": True, "mode": "train", "eval_steps": 39, "steps": 3}
    config = check({**GOOD, "runconfig": {**keys, **more}}, "p.yaml")
    assert (config.max_steps, config.save_checkpoints_steps, config.keep_checkpoint_max) == (100000, 10000, 2)
    assert (config.tf_random_seed, config.log_step_count_steps) == (1, 100)


@pytest.mark.parametrize(
    ("runconfig", "message"),
    [
        ({"save_checkpoint_steps": 3}, "did you mean 'save_checkpoints_steps'"),
        ({"checkpoint_steps": 3}, "there is no such key"),
        ({"mode": "evaluate"}, "runconfig.mode is 'evaluate'"),
        ({"save_checkpoints_steps": 3, "save_checkpoints_secs": 3}, "both set"),
        ({"validate_only": True, "compile_only": True}, "both set"),
        ({"device": "/gpu:0", "cs_ip": "h"}, "off the system"),
        ({"num_replicas": 2}, "without runconfig.multireplica"),
        ({"fabric_mode": "drain"}, "a mode of the wafer"),
    ],
)
def test_what_cannot_be_is_refused(runconfig, message):
    """The problem names its key and what to write."""
    with pytest.raises(InvalidInput, match=message):
        check({**GOOD, "runconfig": runconfig}, "p.yaml")


@pytest.mark.parametrize("mode", ["train", "train_and_eval", "eval", "eval_all", "predict"])
def test_only_training_needs_an_optimizer(mode):
    """Without the section, modes that train are refused."""
    params = {"train_input": {}, "runconfig": {"mode": mode}}
    if "train" not in mode:
        assert check(params, "p.yaml").mode == mode
        return
    with pytest.raises(InvalidInput, match="the section is missing"):
        check(params, "p.yaml")
