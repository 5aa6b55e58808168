"""Code of CSoft's time, by the documents' commands: its own loop trains on the wafer, and saves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from tests.e2e import old_project
from tests.e2e.harness import python

pytestmark = pytest.mark.e2e


def test_a_loop_of_that_time_is_driven_by_the_wafer(tmp_path: Path) -> None:
    """Losses in its own log lines fall; its checkpoint is the one of that time."""
    folder = old_project.write(tmp_path / "p")
    launch = ("-m", "compat.launch", "csrun_wse", "--tasks-per-node", "2", "python-pt", "run.py")
    done = python(*launch, cwd=folder)
    assert done.code == 0, done.said
    losses = [float(each) for each in re.findall(r"Device=xla:0, Step=\d+, Loss=([0-9.]+)", done.out)]
    assert len(losses) == 4
    assert losses[-1] < 0.5 * losses[0]
    assert "wafer_sim serve at 127." in done.out
    held = torch.load(folder / "checkpoint_40.mdl", weights_only=True)
    assert (held["global_step"], held["optimizer"]["wafer_step"]) == (40, 40)
