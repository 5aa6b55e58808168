"""cs_input_analyzer: one's own pipeline, measured, and what to start."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import project
from tests.e2e.harness import python

pytestmark = pytest.mark.e2e


@pytest.fixture
def one_processor() -> Iterator[None]:
    """What this process starts has one processor meanwhile, so that there is one shape to measure."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.usefixtures("one_processor")
def test_a_pipeline_is_measured_and_a_setting_recommended(tmp_path: Path) -> None:
    """The user's own data function is read by real workers; nothing is written into the project."""
    folder = project.write(tmp_path / "p")
    before = sorted(folder.iterdir())
    launch = ("-m", "compat.launch", "cs_input_analyzer", "--available-nodes", "3", "python")
    done = python(*launch, "run.py", "--params", "params.yaml", cwd=folder)
    assert done.code == 0, done.said
    (rate,) = (float(each.replace(",", "")) for each in re.findall(r"^ +1 +1 +([\d,]+) ", done.out, re.MULTILINE))
    assert rate > 0
    assert re.search(r"Estimate of the compiler: [\d,]+ samples/s", done.out)
    assert (
        "csrun_wse --total-nodes=3 --tasks-per-node=1 --cpus-per-task=1 COMMAND   (the chief and 2 workers)" in done.out
    )
    expected = float(re.findall(r"Expected: ([\d,]+) samples/s", done.out)[0].replace(",", ""))
    assert expected == pytest.approx(2 * rate, rel=0.01)
    assert [path for path in sorted(folder.iterdir()) if path.name != "__pycache__"] == before
