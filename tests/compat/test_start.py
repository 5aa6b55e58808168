"""What a process of that time finds in its environment."""

from __future__ import annotations

import json
import os

from clients.working import here
from compat import start


def test_tf_config_is_set_for_code_that_reads_it(monkeypatch):
    """In the documents' form, by what the launcher says; the place stays what it was, with the name of its start."""
    for name, value in {"PROCID": "2", "STEP_NUM_TASKS": "3", "JOB_ID": "41", "STEP_ID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setenv("TF_CONFIG", "")
    monkeypatch.delenv("TF_CONFIG")
    before = here()
    start._say_the_place()
    config = json.loads(os.environ["TF_CONFIG"])
    assert config["task"] == {"type": "worker", "index": 1}
    assert [len(config["cluster"][kind]) for kind in ("chief", "worker")] == [1, 2]
    assert (here().rank, here().tasks, here().session) == (before.rank, before.tasks, "slurm.41.0")


def test_a_tf_config_of_somebody_else_is_left_as_it_is(monkeypatch):
    """And a single task gets none."""
    monkeypatch.setenv("TF_CONFIG", "{}")
    start._say_the_place()
    assert os.environ["TF_CONFIG"] == "{}"
    monkeypatch.delenv("TF_CONFIG")
    start._say_the_place()
    assert "TF_CONFIG" not in os.environ
