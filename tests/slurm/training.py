"""The training that all scenarios share, and what must be true of it at the end."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.harness import weights_digest
from tests.e2e.stage import ledger

STEPS = 700
"""A little less than three epochs of MNIST, in batches of 256: long enough to be disturbed half way."""

LENGTH = ("--max_steps", str(STEPS), "runconfig.checkpoint_steps", "100", "runconfig.log_steps", "10")
SHORT = ("--max_steps", "20", "runconfig.checkpoint_steps", "0")
TRAIN = ("python", "run.py", "--mode", "train", "--params", "configs/params.yaml")


def ends_whole(model_dir: Path, whole: str) -> None:
    """The same weights, bit for bit, and each sample once."""
    assert weights_digest(model_dir, STEPS) == whole
    told = ledger(model_dir)
    assert told.code == 0, told.said
    assert "0 missing, 0 twice" in told.out, told.said
