"""A program trains in a process of its own, which says how much memory that took above its imports: JSON on stdout.

python -m tests.wafer_sim.runtime.peak FOLDER pipeline|weight_streaming BYTES REPLICAS
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import torch

from wafer_sim import checkpoints
from wafer_sim.checkpoints import Checkpoint
from wafer_sim.compiler.program import Program
from wafer_sim.compiler.training import OptimizerSpec
from wafer_sim.replicas import Replicas
from wafer_sim.runtime import streamed_executor  # noqa: F401 - what is imported later would count
from wafer_sim.runtime.opening import Execution, open_executor
from wafer_sim.runtime.sizing import Sizes

STEPS = 4
ADAM = OptimizerSpec.from_params({"optimizer_type": "adam", "learning_rate": 1e-3})


def status(key: str) -> int:
    """Bytes, as the kernel counts them for this process."""
    found = re.search(rf"^{key}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def main(folder: Path, mode: str, memory: int, replicas: int) -> None:
    program = Program.from_json((folder / "program.json").read_text())
    shape = next(entry.batch_size for entry in program.graphs), *program.inputs[0].shape
    batches = [[np.random.default_rng([r, i]).random(shape, np.float32) for i in (0, 1)] for r in range(replicas)]
    torch.ones(64, 64) @ torch.ones(64, 64)
    Sizes(program, ADAM, replicas)  # torch imports 60 MB of itself when it is asked for sizes
    here = status("VmRSS")
    state = checkpoints.read(folder / "checkpoint_0").state
    streaming = folder / mode if mode == "weight_streaming" else None
    executor = open_executor(program, state, ADAM, execution=Execution(streaming, memory, replicas))
    with Replicas(executor, replicas, seed=1) as running:
        losses = [running.step(batches, step).losses for step in range(STEPS)]
    path = checkpoints.write(folder / f"{mode}-{replicas}", Checkpoint(STEPS, executor.state()))
    peak = status("VmHWM") - here
    files = [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(path.glob("*.safetensors"))]
    sys.stdout.write(json.dumps({"peak": peak, "losses": losses, "files": files}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
