"""Programs as they come from a file or from the wire: which kind it is, the JSON itself says."""

from __future__ import annotations

import json

from wafer_sim.compiler.dataflow import Dataflow
from wafer_sim.compiler.program import Program, ProgramError

AnyProgram = Program | Dataflow
"""What the wafer runs: PyTorch's calls on numbered values, or TensorFlow's named nodes."""


def read_program(text: str | bytes) -> AnyProgram:
    """Read what the `to_json` of either kind wrote. Raises ProgramError for anything else."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProgramError(f"this is no program: {type(error).__name__}: {error}") from error
    if isinstance(data, dict) and "kind" in data:
        return Dataflow.from_json(text)
    return Program.from_json(text)
