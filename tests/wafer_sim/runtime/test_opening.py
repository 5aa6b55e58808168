"""The door to the executors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from wafer_sim.runtime.opening import Execution, open_executor
from wafer_sim.runtime.protocol import State
from wire.errors import Refused


@pytest.mark.parametrize(("first", "other"), [("tensorflow", "torch"), ("torch", "tensorflow")])
def test_a_framework_is_imported_for_its_own_programs_only(flows: ModuleType, first: str, other: str) -> None:
    """A run's modules import neither; opening a program imports the one that it is of."""
    text = (
        flows.program().to_json() if first == "tensorflow" else '{"format":1,"parameters":[],"inputs":[],"graphs":{}}'
    )
    code = f"""
import sys, numpy, wafer_sim.run.life
from wafer_sim.compiler.reading import read_program
from wafer_sim.runtime.opening import open_executor
from wafer_sim.runtime.protocol import State
from wire.errors import Refused
assert not {{"torch", "tensorflow"}} & sys.modules.keys()
try:
    open_executor(read_program({text!r}), State({{"w": numpy.ones((3, 1)), "global_step": numpy.array(0)}}))
except Refused as refusal:
    assert "no graph" in str(refusal)
assert {first!r} in sys.modules
assert {other!r} not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_tensorflow_program_is_not_streamed(flows: ModuleType, tmp_path: Path) -> None:
    """It is refused by name before TensorFlow is asked."""
    with pytest.raises(Refused, match="weight streaming runs PyTorch programs") as refused:
        open_executor(flows.program(), State({}), execution=Execution(streaming=tmp_path))
    assert refused.value.where == "runconfig.execution_strategy"
